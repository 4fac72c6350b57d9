// connect and accept.
#include <doctest/doctest.h>
#include <sys/un.h>

#include <vector>

#include "sockets.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

TEST_CASE("accept parks until somebody connects") {
  listener l;
  auto server = weft::spawn([&] {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    owned_fd fd(weft::accept4(l.fd, any(peer), &size, SOCK_CLOEXEC));
    CHECK(peer.sin_family == AF_INET);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    return get(fd);
  });
  weft::testing::wait_all_blocked();
  owned_fd client(weft::socket(AF_INET, SOCK_STREAM, 0));
  CHECK(weft::connect(client, any(l.address), sizeof l.address) == 0);
  put(client, "hello");
  CHECK(server.get() == "hello");
}

TEST_CASE("several fibers accept from one listener, each connection goes to one") {
  listener l;
  int accepted = 0;
  std::vector<weft::fiber<>> servers;
  for (int i = 0; i < 8; ++i)
    servers.push_back(weft::spawn([&] {
      owned_fd fd(weft::accept(l.fd, nullptr, nullptr));
      ++accepted;
    }));
  weft::testing::wait_all_blocked();
  std::vector<owned_fd> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(weft::socket(AF_INET, SOCK_STREAM, 0));
    CHECK(weft::connect(clients.back(), any(l.address), sizeof l.address) == 0);
  }
  weft::joinall(servers);
  CHECK(accepted == 8);
}

TEST_CASE("connect to a port where nobody listens is refused, and the socket's flags are as before") {
  refusing nobody;
  owned_fd fd(weft::socket(AF_INET, SOCK_STREAM, 0));
  CHECK(weft::connect(fd, any(nobody.address), sizeof nobody.address) == -1);
  CHECK(errno == ECONNREFUSED);
  CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("connect twice says EISCONN, with a bad address EFAULT or EINVAL") {
  listener l;
  owned_fd fd(weft::socket(AF_INET, SOCK_STREAM, 0));
  CHECK(weft::connect(fd, reinterpret_cast<const sockaddr*>(8), sizeof l.address) == -1);
  CHECK(errno == EFAULT);
  CHECK(weft::connect(fd, any(l.address), 3) == -1);
  CHECK(errno == EINVAL);
  CHECK(weft::connect(fd, any(l.address), sizeof l.address) == 0);
  CHECK(weft::connect(fd, any(l.address), sizeof l.address) == -1);
  CHECK(errno == EISCONN);
}

TEST_CASE("a connect that gets no answer parks, and can be timed out") {
  // A listener whose queue is full drops further SYNs: the connection stays in SYN-SENT.
  listener l(0);
  std::vector<owned_fd> fill;
  weft::testing::virtual_clock clock;
  bool timed_out = false;
  for (int i = 0; i < 8 && !timed_out; ++i) {
    fill.emplace_back(weft::socket(AF_INET, SOCK_STREAM, 0));
    timed_out = !weft::move_on_after(10s, [&] { weft::connect(fill.back(), any(l.address), sizeof l.address); });
    CHECK((::fcntl(fill.back(), F_GETFL) & O_NONBLOCK) == 0);
  }
  CHECK(timed_out);
  CHECK(clock.elapsed() == 10s);
}

TEST_CASE("connect to a local server whose queue is full waits until it accepts") {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "weft-test-" + std::to_string(::getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());  // abstract: no file to remove
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const auto* at = reinterpret_cast<const sockaddr*>(&address);
  owned_fd server(weft::socket(AF_UNIX, SOCK_STREAM, 0));
  REQUIRE(::bind(server, at, size) == 0);
  REQUIRE(::listen(server, 1) == 0);
  std::vector<owned_fd> clients;
  std::vector<weft::fiber<int>> connecting;
  for (int i = 0; i < 6; ++i) clients.emplace_back(weft::socket(AF_UNIX, SOCK_STREAM, 0));
  for (int i = 0; i < 6; ++i)
    connecting.push_back(weft::spawn([&, i] { return weft::connect(clients[static_cast<std::size_t>(i)], at, size); }));
  weft::this_fiber::yield();
  int accepted = 0;
  auto accepting = weft::spawn([&] {
    for (; accepted < 6; ++accepted) owned_fd(weft::accept(server, nullptr, nullptr));
  });
  for (auto& c : connecting) CHECK(c.get() == 0);
  accepting.get();
  CHECK(accepted == 6);
}

TEST_CASE("connect of a datagram socket is over at once") {
  listener l;
  owned_fd fd(weft::socket(AF_INET, SOCK_DGRAM, 0));
  CHECK(weft::connect(fd, any(l.address), sizeof l.address) == 0);
}

TEST_CASE("accept on what is no listener fails as the kernel says") {
  ends e = tcp_pair();
  put(e.b, "readable");
  CHECK(weft::accept(e.a, nullptr, nullptr) == -1);
  CHECK(errno == EINVAL);
  owned_fd null(::open("/dev/null", O_RDWR));
  CHECK(weft::accept(null, nullptr, nullptr) == -1);
  CHECK(errno == ENOTSOCK);
  CHECK(weft::accept(-1, nullptr, nullptr) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("a listener that is shut down ends its acceptor") {
  listener l;
  auto server = weft::spawn([&] { return weft::accept(l.fd, nullptr, nullptr) == -1 ? errno : 0; });
  weft::testing::wait_all_blocked();
  CHECK(weft::shutdown(l.fd, SHUT_RDWR) == 0);
  CHECK(server.get() == EINVAL);
}
