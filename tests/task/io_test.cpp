// co_await of socket calls: what fibers get from the same calls, partial transfers, closing, cancellation, and servers of tasks.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

namespace {

struct ends {
  int fd[2];
  explicit ends(int type = SOCK_STREAM) { REQUIRE(weft::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd) == 0); }
  ~ends() {
    for (const int f : fd)
      if (f >= 0) weft::close(f);
  }
  void close(int which) { weft::close(std::exchange(fd[which], -1)); }
};

// A TCP listener on a port of the kernel's choice; or the port alone, where nobody listens.
struct listening {
  int fd;
  sockaddr_in at{};
  explicit listening(bool really = true) : fd(weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
    if (really) REQUIRE(::listen(fd, 64) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  }
  ~listening() { weft::close(fd); }
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&at); }
};

task<std::string> read_all(int fd) {
  std::string got;
  char buffer[4096];
  for (;;) {
    const ssize_t n = co_await async::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    got.append(buffer, static_cast<std::size_t>(n));
  }
  co_return got;
}

}  // namespace

TEST_CASE("a task waits for bytes from a fiber and a fiber for bytes from a task") {
  ends e;
  auto reader = weft::spawn([&]() -> task<std::string> {
    char buffer[16];
    const ssize_t n = co_await async::recv(e.fd[0], buffer, sizeof buffer, 0);
    co_await async::send(e.fd[0], "answer", 6, 0);
    co_return std::string(buffer, static_cast<std::size_t>(n));
  });
  weft::this_fiber::yield();
  CHECK_FALSE(reader.done());
  CHECK(weft::send(e.fd[1], "ask", 3, 0) == 3);
  char buffer[16];
  CHECK(weft::recv(e.fd[1], buffer, sizeof buffer, 0) == 6);
  CHECK(reader.get() == "ask");
}

TEST_CASE("a task sends much more than the socket holds, whole, by send, write, writev and sendmsg") {
  const std::string much(3'000'000, 'x');
  for (const int way : {0, 1, 2, 3}) {
    ends e;
    auto writer = weft::spawn([&]() -> task<ssize_t> {
      iovec parts[40];
      for (std::size_t i = 0; i < 40; ++i) parts[i] = {const_cast<char*>(much.data()) + i * 75'000, 75'000};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 40;
      const int fd = e.fd[0];
      const ssize_t sent = way == 0   ? co_await async::send(fd, much.data(), much.size(), 0)
                           : way == 1 ? co_await async::write(fd, much.data(), much.size())
                           : way == 2 ? co_await async::writev(fd, parts, 40)
                                      : co_await async::sendmsg(fd, &message, 0);
      e.close(0);
      co_return sent;
    });
    auto reader = weft::spawn(read_all, e.fd[1]);
    CHECK(reader.get() == much);
    CHECK(writer.get() == static_cast<ssize_t>(much.size()));
  }
}

TEST_CASE("MSG_WAITALL gathers parts, and what came before the end is the answer") {
  ends e;
  auto reader = weft::spawn([&]() -> task<std::vector<ssize_t>> {
    char buffer[10];
    std::vector<ssize_t> got;
    got.push_back(co_await async::recv(e.fd[0], buffer, 10, MSG_WAITALL));
    iovec part{buffer, 10};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    got.push_back(co_await async::recvmsg(e.fd[0], &message, MSG_WAITALL));
    got.push_back(co_await async::recv(e.fd[0], buffer, 10, MSG_WAITALL));
    co_return got;
  });
  for (int i = 0; i < 8; ++i) {
    weft::testing::wait_all_blocked();
    CHECK(weft::send(e.fd[1], "abc", 3, 0) == 3);
  }
  weft::testing::wait_all_blocked();
  e.close(1);
  CHECK(reader.get() == std::vector<ssize_t>{10, 10, 4});
}

TEST_CASE("errors are -1 and errno, as the call has them") {
  ends e;
  weft::await([&]() -> task<> {
    char c;
    CHECK(co_await async::recv(-1, &c, 1, 0) == -1);
    CHECK(errno == EBADF);
    CHECK(co_await async::recv(e.fd[0], &c, 1, MSG_DONTWAIT) == -1);
    CHECK(errno == EAGAIN);
    e.close(1);
    CHECK(co_await async::read(e.fd[0], &c, 1) == 0);
    CHECK(co_await async::send(e.fd[0], &c, 1, MSG_NOSIGNAL) == -1);
    CHECK(errno == EPIPE);
    CHECK_THROWS_AS(co_await async::wait_readable(-1), std::system_error);
  }());
}

TEST_CASE("closing a descriptor wakes the task that waits for it, with EBADF") {
  ends e;
  auto reader = weft::spawn([&]() -> task<int> {
    char c;
    const ssize_t n = co_await async::read(e.fd[0], &c, 1);
    co_return n == -1 ? errno : 0;
  });
  weft::testing::wait_all_blocked();
  e.close(0);
  CHECK(reader.get() == EBADF);
}

TEST_CASE("connect and accept of tasks, on blocking and non-blocking listeners, and a refused connection") {
  for (const bool nonblocking : {false, true}) {
    listening l;
    if (nonblocking) REQUIRE(::fcntl(l.fd, F_SETFL, ::fcntl(l.fd, F_GETFL) | O_NONBLOCK) == 0);
    auto server = weft::spawn([&]() -> task<int> {
      int served = 0;
      for (int i = 0; i < 3; ++i) {
        const int fd = co_await async::accept4(l.fd, nullptr, nullptr, SOCK_CLOEXEC);
        CHECK(fd >= 0);
        const std::string got = co_await read_all(fd);
        served += got == "hello";
        weft::close(fd);
      }
      co_return served;
    });
    const auto client = [&]() -> task<> {
      const int fd = weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      CHECK(co_await async::connect(fd, l.address(), sizeof l.at) == 0);
      CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
      CHECK(co_await async::send(fd, "hello", 5, 0) == 5);
      weft::close(fd);
    };
    for (int i = 0; i < 3; ++i) weft::spawn(client);
    CHECK(server.get() == 3);
  }
  const listening nobody(false);
  weft::await([&]() -> task<> {
    const int fd = weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(co_await async::connect(fd, nobody.address(), sizeof nobody.at) == -1);
    CHECK(errno == ECONNREFUSED);
    weft::close(fd);
  }());
}

TEST_CASE("datagrams, poll and readiness with a limit") {
  ends e(SOCK_DGRAM);
  weft::await([&]() -> task<> {
    CHECK_FALSE(co_await async::wait_readable(e.fd[0], 5ms));
    CHECK(co_await async::wait_writable(e.fd[0]));
    pollfd both[2] = {{e.fd[0], POLLIN, 0}, {e.fd[1], POLLIN, 0}};
    CHECK(co_await async::poll(both, 2, 5) == 0);
    auto later = weft::spawn([&]() -> task<> {
      co_await async::sleep_for(5ms);
      co_await async::sendto(e.fd[1], "dgram", 5, 0, nullptr, 0);
    });
    CHECK(co_await async::poll(both, 2, -1) == 1);
    CHECK(both[0].revents == POLLIN);
    char buffer[16];
    socklen_t size = 0;
    CHECK(co_await async::recvfrom(e.fd[0], buffer, sizeof buffer, 0, nullptr, &size) == 5);
    co_await later;
  }());
}

TEST_CASE("a datagram socket whose peer's queue is full is waited for") {
  ends e(SOCK_DGRAM);
  int sent = 0;
  auto writer = weft::spawn([&]() -> task<> {
    for (; sent < 2000; ++sent) CHECK(co_await async::send(e.fd[0], "x", 1, 0) == 1);
  });
  weft::this_fiber::sleep_for(5ms);
  CHECK_FALSE(writer.done());
  auto reader = weft::spawn([&]() -> task<> {
    char c;
    for (int i = 0; i < 2000; ++i) CHECK(co_await async::recv(e.fd[1], &c, 1, 0) == 1);
  });
  writer.get();
  reader.get();
  CHECK(sent == 2000);
}

TEST_CASE("a read that is cut off by a timeout, a cancel or a closed scope leaves the descriptor as good as before") {
  ends e;
  for (int round = 0; round < 3; ++round) {
    CHECK_FALSE(weft::await(async::move_on_after(2ms, [&]() -> task<> {
      char c;
      co_await async::recv(e.fd[0], &c, 1, 0);
    })));
    auto cancelled = weft::spawn([&]() -> task<> {
      char c;
      co_await async::read(e.fd[0], &c, 1);
    });
    auto polled = weft::spawn([&]() -> task<> {
      pollfd one[2] = {{e.fd[0], POLLIN, 0}, {e.fd[1], POLLPRI, 0}};
      co_await async::poll(one, 2, -1);
    });
    weft::testing::wait_all_blocked();
    cancelled.kill();
    polled.kill();
    CHECK(cancelled.was_cancelled());
    CHECK(polled.was_cancelled());
    CHECK(weft::send(e.fd[1], "y", 1, 0) == 1);
    weft::await([&]() -> task<> {
      char c = 0;
      CHECK(co_await async::recv(e.fd[0], &c, 1, 0) == 1);
      CHECK(c == 'y');
    }());
  }
  CHECK(weft::this_hub().stats().fibers == 1);
}

TEST_CASE("a cancelled send has sent a part, which is the answer; the next wait throws") {
  ends e;
  const std::string much(3'000'000, 'x');
  ssize_t sent = 0;
  bool thrown = false;
  auto writer = weft::spawn([&]() -> task<> {
    sent = co_await async::send(e.fd[0], much.data(), much.size(), 0);
    try {
      co_await async::yield();
    } catch (const weft::cancelled&) {
      thrown = true;
      throw;
    }
  });
  weft::testing::wait_all_blocked();
  writer.kill();
  CHECK(sent > 0);
  CHECK(sent < static_cast<ssize_t>(much.size()));
  CHECK(thrown);
}

TEST_CASE("a hundred connections are echoed by a server of tasks to clients that are fibers") {
  listening l;
  auto server = weft::spawn([&]() -> task<> {
    const auto serve = [](int fd) -> task<> {
      char buffer[512];
      for (;;) {
        const ssize_t n = co_await async::recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0 || co_await async::send(fd, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) break;
      }
      weft::close(fd);
    };
    for (;;) {
      const int fd = co_await async::accept4(l.fd, nullptr, nullptr, SOCK_CLOEXEC);
      weft::spawn(serve, fd);
    }
  });
  std::vector<weft::fiber<int>> clients;
  for (int i = 0; i < 100; ++i)
    clients.push_back(weft::spawn([&, i] {
      const int fd = weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (weft::connect(fd, l.address(), sizeof l.at) != 0) return 0;
      int good = 0;
      for (int round = 0; round < 10; ++round) {
        const std::string text = std::to_string(i * 1000 + round);
        char buffer[16];
        weft::send(fd, text.data(), text.size(), 0);
        const ssize_t n = weft::recv(fd, buffer, sizeof buffer, 0);
        good += n > 0 && std::string(buffer, static_cast<std::size_t>(n)) == text;
      }
      weft::close(fd);
      return good;
    }));
  int good = 0;
  for (auto& c : clients) good += c.get();
  CHECK(good == 1000);
  CHECK(weft::this_hub().stats().parks > 1000);
  server.kill();
}
