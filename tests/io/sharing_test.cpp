// Descriptors that several processes use at once: one may take what poll(2) announced to the other, whose hub must not stand in the
// kernel then. A hub that did could not end its own waits.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>
#include <vector>

#include "sockets.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

namespace {

// Takes what comes until cancelled. Returns how much it was.
weft::fiber<int> taker(const std::function<bool()>& take) {
  return weft::spawn([take] {
    int taken = 0;
    try {
      while (take()) ++taken;
    } catch (const weft::cancelled&) {
    }
    return taken;
  });
}

// Two processes take from the same place while `give` gives `count` times, and until `all_taken`. Both can end their takers then.
void share(int count, const std::function<bool()>& take, const std::function<void()>& give, const std::function<bool()>& all_taken) {
  int told[2], stop[2];
  REQUIRE(weft::pipe2(told, 0) == 0);
  REQUIRE(weft::pipe2(stop, 0) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(50);
    weft::close(stop[1]);
    auto mine = taker(take);
    weft::testing::wait_all_blocked();
    char c;
    weft::read(stop[0], &c, 1);
    mine.cancel();
    const int taken = mine.get();
    ::_exit(::write(told[1], &taken, sizeof taken) == sizeof taken ? 0 : 1);
  }
  weft::close(told[1]);  // a child that dies is seen
  auto mine = taker(take);
  for (int i = 0; i < count; ++i) {
    give();
    weft::this_fiber::yield();
  }
  while (!all_taken()) weft::this_fiber::sleep_for(std::chrono::milliseconds(1));
  weft::testing::wait_all_blocked();
  weft::close(stop[1]);
  int theirs = 0;
  CHECK(weft::read(told[0], &theirs, sizeof theirs) == sizeof theirs);
  mine.cancel();
  CHECK(mine.get() + theirs == count);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  weft::close(told[0]);
  weft::close(stop[0]);
}

}  // namespace

TEST_CASE("two processes accept from one blocking listener") {
  owned_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 128) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const int flags = ::fcntl(listener, F_GETFL);
  share(
      300,
      [&] {
        const int fd = weft::accept(listener, nullptr, nullptr);
        if (fd >= 0) weft::close(fd);
        return fd >= 0;
      },
      [&] {
        owned_fd client(::socket(AF_INET, SOCK_STREAM, 0));
        CHECK(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
      },
      [&] {
        pollfd one{listener, POLLIN, 0};
        return ::poll(&one, 1, 0) == 0;
      });
  CHECK(::fcntl(listener, F_GETFL) == flags);
}

TEST_CASE("two processes read from one pipe") {
  ends e = pipe_pair();
  share(
      300,
      [&] {
        char c;
        return weft::read(e.a, &c, 1) == 1;
      },
      [&] { CHECK(::write(e.b, "x", 1) == 1); },
      [&] {
        int left = 0;
        return ::ioctl(e.a, FIONREAD, &left) == 0 && left == 0;
      });
}

TEST_CASE("two processes write to one pipe, which never stays full") {
  ends e = pipe_pair();
  std::vector<char> block(4096, 'b');
  // 60 blocks are read, and the pipe is left with what it holds.
  const int holds = ::fcntl(e.a, F_GETPIPE_SZ) / 4096;
  const auto full = [&] {
    int inside = 0;
    return ::ioctl(e.a, FIONREAD, &inside) == 0 && inside == holds * 4096;
  };
  int given = 0;
  share(
      60 + holds, [&] { return weft::write(e.b, block.data(), block.size()) == 4096; },
      [&] {
        if (given++ >= 60) return;
        std::size_t got = 0;
        while (got < block.size()) {
          const ssize_t n = weft::read(e.a, block.data(), block.size() - got);
          REQUIRE(n > 0);
          got += static_cast<std::size_t>(n);
        }
      },
      full);
}
