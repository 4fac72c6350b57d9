// read and write on what is no socket: files, pipes, FIFOs, terminals, eventfds, timers.
#include <doctest/doctest.h>
#include <pty.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "sockets.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

TEST_CASE("a file in memory is read and written without parking") {
  owned_fd fd(::memfd_create("weft", MFD_CLOEXEC));
  const auto parks = weft::this_hub().stats().parks;
  const std::string data = many_bytes(1 << 20);
  CHECK(weft::write(fd, data.data(), data.size()) == static_cast<ssize_t>(data.size()));
  REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
  CHECK(read_to_end(fd) == data);
  char c;
  CHECK(weft::read(fd, &c, 1) == 0);
  CHECK(weft::this_hub().stats().parks == parks);
}

TEST_CASE("a file on disk is read and written whole, by several fibers in turn at its position") {
  FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  const int fd = ::fileno(file);
  const std::string line = many_bytes(10'000);
  std::vector<weft::fiber<void>> writers;
  for (int i = 0; i < 20; ++i)
    writers.push_back(weft::spawn([&] { CHECK(weft::write(fd, line.data(), line.size()) == 10'000); }));
  for (auto& w : writers) w.join();
  REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  std::string all;
  for (int i = 0; i < 20; ++i) all += line;
  CHECK(read_to_end(fd) == all);
  REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
  ::posix_fadvise(fd, 50'000, 50'000, POSIX_FADV_DONTNEED);
  std::string got(all.size() + 100, 0);
  CHECK(weft::read(fd, got.data(), got.size()) == static_cast<ssize_t>(all.size()));
  CHECK(got.substr(0, all.size()) == all);
  CHECK(weft::read(fd, got.data(), got.size()) == 0);
  CHECK(weft::read(fd, reinterpret_cast<void*>(8), 10) <= 0);
  weft::forget(fd);
  std::fclose(file);
}

TEST_CASE("a pipe's reader parks until something is written or all writers are gone") {
  ends e = pipe_pair();
  auto reader = weft::spawn([&] { return read_to_end(e.a); });
  weft::testing::wait_all_blocked();
  REQUIRE(::write(e.b, "some", 4) == 4);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(reader.done());
  REQUIRE(::write(e.b, "more", 4) == 4);
  e.b.reset();
  CHECK(reader.get() == "somemore");
}

TEST_CASE("the flags of a descriptor stay as they were") {
  ends e = pipe_pair();
  const int before = ::fcntl(e.a, F_GETFL);
  auto reader = weft::spawn([&] { return read_to_end(e.a); });
  weft::testing::wait_all_blocked();
  CHECK(::fcntl(e.a, F_GETFL) == before);
  CHECK(::fcntl(e.b, F_GETFL) == (before | O_WRONLY));
  e.b.reset();
  reader.get();
  CHECK(::fcntl(e.a, F_GETFL) == before);
}

TEST_CASE("a non-blocking descriptor parks all the same, as gevent's do") {
  int fds[2];
  REQUIRE(weft::pipe2(fds, O_NONBLOCK) == 0);
  owned_fd in(fds[0]), out(fds[1]);
  auto reader = weft::spawn([&] {
    char c = 0;
    weft::read(in, &c, 1);
    return c;
  });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(reader.done());
  REQUIRE(::write(out, "z", 1) == 1);
  CHECK(reader.get() == 'z');
}

TEST_CASE("readv and writev fill and empty all parts") {
  ends e = pipe_pair();
  char a[3], b[4];
  auto reader = weft::spawn([&] {
    const iovec parts[] = {{a, 3}, {b, 4}};
    return weft::readv(e.a, parts, 2);
  });
  weft::testing::wait_all_blocked();
  const iovec parts[] = {{const_cast<char*>("ab"), 2}, {const_cast<char*>("cdefg"), 5}};
  CHECK(weft::writev(e.b, parts, 2) == 7);
  CHECK(reader.get() == 7);
  CHECK(std::string(a, 3) + std::string(b, 4) == "abcdefg");
}

TEST_CASE("a terminal's reader parks until a line is there") {
  int master, slave;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  owned_fd keyboard(master), terminal(slave);
  auto reader = weft::spawn([&] {
    char line[64];
    const ssize_t got = weft::read(terminal, line, sizeof line);
    return std::string(line, got > 0 ? static_cast<std::size_t>(got) : 0);
  });
  weft::testing::wait_all_blocked();
  REQUIRE(::write(keyboard, "no line yet", 11) == 11);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(reader.done());
  REQUIRE(::write(keyboard, "\n", 1) == 1);
  CHECK(reader.get() == "no line yet\n");
}

TEST_CASE("a terminal takes everything that is written while somebody reads the other side") {
  int master, slave;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  owned_fd screen(master), terminal(slave);
  termios raw{};
  ::tcgetattr(terminal, &raw);
  ::cfmakeraw(&raw);
  ::tcsetattr(terminal, TCSANOW, &raw);
  std::string data(200'000, 'x');
  auto writer = weft::spawn([&] { return weft::write(terminal, data.data(), data.size()); });
  std::string seen, part(65536, '\0');
  while (seen.size() < data.size()) {
    const ssize_t got = weft::read(screen, part.data(), part.size());
    if (got <= 0) break;
    seen.append(part.data(), static_cast<std::size_t>(got));
  }
  CHECK(seen == data);
  CHECK(writer.get() == static_cast<ssize_t>(data.size()));
}

TEST_CASE("a FIFO is a pipe with a name") {
  char folder[] = "/tmp/weft-fifo-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  {
    owned_fd both(::open(path.c_str(), O_RDWR));
    auto reader = weft::spawn([&] {
      char c = 0;
      weft::read(both, &c, 1);
      return c;
    });
    weft::testing::wait_all_blocked();
    REQUIRE(::write(both, "f", 1) == 1);
    CHECK(reader.get() == 'f');
  }
  ::unlink(path.c_str());
  ::rmdir(folder);
}

TEST_CASE("an eventfd parks its reader at zero and its writer at the limit") {
  owned_fd fd(::eventfd(0, EFD_CLOEXEC));
  std::uint64_t value = 0;
  auto reader = weft::spawn([&] { return weft::read(fd, &value, sizeof value); });
  weft::testing::wait_all_blocked();
  const std::uint64_t five = 5;
  CHECK(weft::write(fd, &five, sizeof five) == 8);
  CHECK(reader.get() == 8);
  CHECK(value == 5);
  const std::uint64_t most = ~std::uint64_t{0} - 1;
  CHECK(weft::write(fd, &most, sizeof most) == 8);
  auto writer = weft::spawn([&] { return weft::write(fd, &five, sizeof five); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(writer.done());
  CHECK(weft::read(fd, &value, sizeof value) == 8);
  CHECK(value == most);
  CHECK(writer.get() == 8);
  CHECK(weft::read(fd, &value, sizeof value) == 8);
  CHECK(value == 5);
}

TEST_CASE("a timerfd's reader parks until it expires") {
  owned_fd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  std::uint64_t count = 0;
  auto reader = weft::spawn([&] { return weft::read(fd, &count, sizeof count); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(reader.done());
  const itimerspec soon{{0, 0}, {0, 1'000'000}};
  REQUIRE(::timerfd_settime(fd, 0, &soon, nullptr) == 0);
  CHECK(reader.get() == 8);
  CHECK(count == 1);
}

TEST_CASE("/dev/null and /dev/zero never wait") {
  const auto parks = weft::this_hub().stats().parks;
  owned_fd null(::open("/dev/null", O_RDWR)), zero(::open("/dev/zero", O_RDONLY));
  char c = 'x';
  CHECK(weft::read(null, &c, 1) == 0);
  CHECK(weft::write(null, &c, 1) == 1);
  CHECK(weft::read(zero, &c, 1) == 1);
  CHECK(c == 0);
  CHECK(weft::this_hub().stats().parks == parks);
}

TEST_CASE("reading and writing nothing, a directory, a wrong end") {
  ends e = pipe_pair();
  char c;
  CHECK(weft::read(e.a, &c, 0) == 0);
  CHECK(weft::write(e.b, &c, 0) == 0);
  CHECK(weft::read(e.b, &c, 1) == -1);
  CHECK(errno == EBADF);
  CHECK(weft::write(e.a, &c, 1) == -1);
  CHECK(errno == EBADF);
  owned_fd folder(::open("/", O_RDONLY | O_DIRECTORY));
  CHECK(weft::read(folder, &c, 1) == -1);
  CHECK(errno == EISDIR);
}
