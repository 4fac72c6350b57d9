// weft::file: reading, writing, syncing, errors, cancellation.
#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/error.hpp"
#include "weft/fiber.hpp"
#include "weft/file.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

namespace {

struct folder {
  folder() {
    char name[] = "/tmp/weft-disk-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~folder() { CHECK(std::system(("rm -rf " + path).c_str()) == 0); }
  std::string file(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

int error_of(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const std::system_error& e) {
    CHECK(std::string(e.what()).find("/") != std::string::npos);
    return e.code().value();
  }
  return 0;
}

}  // namespace

TEST_CASE("a file is written and read whole") {
  const folder dir;
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>('a' + i % 26);
  weft::file::write_all(dir.file("whole"), text);
  CHECK(weft::file::read_all(dir.file("whole")) == text);
  weft::file::write_all(dir.file("whole"), "short");
  CHECK(weft::file::read_all(dir.file("whole")) == "short");
  weft::file::write_all(dir.file("empty"), "");
  CHECK(weft::file::read_all(dir.file("empty")).empty());
  CHECK(weft::file::read_all("/proc/self/comm").find('\n') != std::string::npos);
}

TEST_CASE("position, offsets and length are the file's own") {
  const folder dir;
  weft::file f(dir.file("f"), O_RDWR | O_CREAT);
  f.write("hello world");
  CHECK(f.size() == 11);
  CHECK(f.seek(6) == 6);
  char text[16] = {};
  CHECK(f.read(text, sizeof text) == 5);
  CHECK(std::string(text, 5) == "world");
  CHECK(f.read(text, sizeof text) == 0);
  f.write_at(0, "J");
  CHECK(f.read_at(0, text, 5) == 5);
  CHECK(std::string(text, 5) == "Jello");
  CHECK(f.seek(0, SEEK_CUR) == 11);
  f.truncate(4);
  CHECK(f.size() == 4);
  f.sync();
  f.datasync();
  weft::file moved = std::move(f);
  CHECK_FALSE(static_cast<bool>(f));
  CHECK(moved.size() == 4);
  CHECK((::fcntl(moved.fd(), F_GETFD) & FD_CLOEXEC) != 0);
  moved.close();
  CHECK_FALSE(static_cast<bool>(moved));
}

TEST_CASE("errors name the path") {
  const folder dir;
  CHECK(error_of([&] { weft::file(dir.file("none")); }) == ENOENT);
  CHECK(error_of([&] { weft::file(dir.path, O_WRONLY); }) == EISDIR);
  weft::file::write_all(dir.file("f"), "x");
  weft::file f(dir.file("f"));
  CHECK(error_of([&] { f.write("y"); }) == EBADF);
  CHECK(error_of([&] { f.truncate(0); }) == EINVAL);
  CHECK(error_of([&] { f.seek(-1); }) == EINVAL);
  f.close();
  char c;
  CHECK(error_of([&] { f.read(&c, 1); }) == EBADF);
}

TEST_CASE("fibers that sync park, and others run meanwhile") {
  const folder dir;
  const auto parks = weft::this_hub().stats().parks;
  std::vector<weft::fiber<void>> fibers;
  for (int i = 0; i < 30; ++i)
    fibers.push_back(weft::spawn([&, i] {
      weft::file f(dir.file(std::to_string(i)), O_RDWR | O_CREAT | O_TRUNC);
      for (int k = 0; k < 5; ++k) {
        f.write(std::to_string(k));
        f.sync();
      }
    }));
  for (auto& f : fibers) f.join();
  CHECK(weft::this_hub().stats().parks - parks >= 150);
  for (int i = 0; i < 30; ++i) CHECK(weft::file::read_all(dir.file(std::to_string(i))) == "01234");
}

TEST_CASE("fibers that append to one file lose nothing") {
  const folder dir;
  weft::file f(dir.file("log"), O_WRONLY | O_CREAT | O_APPEND);
  std::vector<weft::fiber<void>> fibers;
  for (int i = 0; i < 20; ++i)
    fibers.push_back(weft::spawn([&, i] {
      for (int k = 0; k < 10; ++k) f.write(std::string(99, static_cast<char>('a' + i)) + "\n");
    }));
  for (auto& w : fibers) w.join();
  const std::string all = weft::file::read_all(dir.file("log"));
  REQUIRE(all.size() == 20'000);
  for (std::size_t at = 0; at < all.size(); at += 100) CHECK(all.substr(at, 99) == std::string(99, all[at]));
}

TEST_CASE("a cancelled fiber's file calls throw, and opening a FIFO can be cancelled") {
  const folder dir;
  REQUIRE(::mkfifo(dir.file("fifo").c_str(), 0600) == 0);
  auto opening = weft::spawn([&] { weft::file f(dir.file("fifo")); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(opening.done());
  opening.cancel();
  CHECK_THROWS_AS(opening.get(), weft::fiber_cancelled);
  CHECK_THROWS_AS(weft::fail_after(std::chrono::milliseconds(2), [&] { weft::file f(dir.file("fifo"), O_WRONLY); }), weft::timeout_error);
  auto syncing = weft::spawn([&] {
    weft::cancel_scope scope;
    scope.cancel();
    return scope.run([&] { weft::file::write_all(dir.file("never"), "x"); });
  });
  syncing.join();
  CHECK(::access(dir.file("never").c_str(), F_OK) == -1);
}
