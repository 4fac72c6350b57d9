// The life of descriptors: closed while waited on, reused, high numbers, too many.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <vector>

#include "sockets.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

TEST_CASE("a fiber parked on a closed socket wakes with EBADF") {
  ends e = tcp_pair();
  const std::string closed = "errno " + std::to_string(EBADF);
  auto one = weft::spawn([&] { return get(e.a); });
  auto two = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  e.a.reset();
  CHECK(one.get() == closed);
  CHECK(two.get() == closed);
}

TEST_CASE("a fiber parked in send wakes when the socket is closed") {
  ends e = unix_pair();
  const std::string data = many_bytes();
  auto writer = weft::spawn([&] { return weft::send(e.a, data.data(), data.size(), 0); });
  weft::testing::wait_all_blocked();
  e.a.reset();
  CHECK(writer.get() > 0);
}

TEST_CASE("a number that is used again knows nothing of its earlier life") {
  for (int round = 0; round < 20; ++round) {
    ends e = tcp_pair();
    put(e.b, "x");
    CHECK(get(e.a) == "x");  // drained
    auto reader = weft::spawn([&] { return get(e.a); });
    weft::testing::wait_all_blocked();
    const int number = e.a;
    e.a.reset();
    CHECK(reader.get() == "errno " + std::to_string(EBADF));
    ends fresh = unix_pair();
    REQUIRE((fresh.a == number || fresh.b == number));
    put(fresh.a, "a");
    put(fresh.b, "b");
    CHECK(get(fresh.a) == "b");
    CHECK(get(fresh.b) == "a");
  }
}

TEST_CASE("a report for an earlier owner of the number does not reach the next one") {
  ends e = unix_pair();
  owned_fd duplicate(::dup(e.a));  // keeps the open file, and so an epoll registration, alive
  auto reader = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  const int number = e.a;
  e.a.reset();
  reader.join();
  ends fresh = unix_pair();
  const int same = fresh.a == number ? fresh.a : fresh.b;
  const int peer = fresh.a == number ? fresh.b : fresh.a;
  REQUIRE(same == number);
  auto next = weft::spawn([&] { return get(same); });
  weft::testing::wait_all_blocked();
  put(e.b, "for the duplicate");
  weft::testing::wait_all_blocked();
  CHECK_FALSE(next.done());
  put(peer, "mine");
  CHECK(next.get() == "mine");
  CHECK(get(duplicate) == "for the duplicate");
}

TEST_CASE("a registration that outlived its number is not heard by the next owner") {
  ends e = unix_pair();
  owned_fd duplicate(::dup(e.a));
  auto reader = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  put(e.b, "x");
  reader.join();
  const int number = e.a.release();
  ::close(number);  // out of Weft's sight: with epoll, the duplicate keeps the registration alive
  std::vector<ends> pairs;
  do pairs.push_back(unix_pair());
  while (pairs.back().a != number && pairs.back().b != number && pairs.size() < 50);
  owned_fd& next = pairs.back().a == number ? pairs.back().a : pairs.back().b;
  owned_fd& peer = pairs.back().a == number ? pairs.back().b : pairs.back().a;
  REQUIRE(next == number);
  auto waiting = weft::spawn([&] { return get(next); });
  weft::testing::wait_all_blocked();
  const auto quiet = weft::this_hub().stats().switches;
  for (int i = 0; i < 5; ++i) weft::testing::wait_all_blocked();
  const auto calm = weft::this_hub().stats().switches - quiet;
  const auto before = weft::this_hub().stats().switches;
  put(e.b, "stale");
  for (int i = 0; i < 5; ++i) weft::testing::wait_all_blocked();
  CHECK(weft::this_hub().stats().switches - before == calm);  // the waiting fiber did not run
  put(peer, "mine");
  CHECK(waiting.get() == "mine");
}

TEST_CASE("descriptors beyond 1,024 are waited on like others") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit before = limit;
  if (limit.rlim_cur < 4096) {
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  if (limit.rlim_cur >= 3000) {
    ends e = unix_pair();
    owned_fd high(::fcntl(e.a, F_DUPFD_CLOEXEC, 2500));
    REQUIRE(high >= 2500);
    auto reader = weft::spawn([&] { return get(high); });
    weft::testing::wait_all_blocked();
    put(e.b, "up here");
    CHECK(reader.get() == "up here");
    // select(2) takes sets of any size, only libc's type ends at 1,024.
    std::vector<unsigned long> in(high / 64 + 1);
    in[static_cast<std::size_t>(high / 64)] = 1ul << high % 64;
    auto selecting = weft::spawn([&] { return weft::select(high + 1, reinterpret_cast<fd_set*>(in.data()), nullptr, nullptr, nullptr); });
    weft::testing::wait_all_blocked();
    CHECK_FALSE(selecting.done());
    put(e.b, "again");
    CHECK(selecting.get() == 1);
    CHECK(in[static_cast<std::size_t>(high / 64)] == 1ul << high % 64);
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("accept gives EMFILE when the process is out of descriptors, and goes on when it is not") {
  listener l;
  owned_fd client(weft::socket(AF_INET, SOCK_STREAM, 0));
  REQUIRE(::connect(client, any(l.address), sizeof l.address) == 0);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit before = limit;
  std::vector<owned_fd> all;
  const int next = ::dup(client);
  limit.rlim_cur = static_cast<rlim_t>(next);
  ::close(next);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(weft::accept(l.fd, nullptr, nullptr) == -1);
  CHECK(errno == EMFILE);
  ::setrlimit(RLIMIT_NOFILE, &before);
  owned_fd server(weft::accept(l.fd, nullptr, nullptr));
  put(client, "in");
  CHECK(get(server) == "in");
}

TEST_CASE("Weft's own descriptors are not the program's to close") {
  weft::this_hub();
  int refused = 0;
  for (int fd = 3; fd < 1100; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0 && weft::close(fd) != 0) {
      CHECK(errno == EBADF);
      ++refused;
    }
  CHECK(refused > 0);
  ends e = tcp_pair();
  auto reader = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  put(e.b, "alive");
  CHECK(reader.get() == "alive");
}

TEST_CASE("closing what is not open gives EBADF") {
  CHECK(weft::close(-1) == -1);
  CHECK(errno == EBADF);
  CHECK(weft::close(54321) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("a descriptor closed without weft::close is found out when accept or socket gives the number again") {
  listener l;
  ends e = tcp_pair();
  put(e.b, "x");
  CHECK(get(e.a) == "x");
  auto reader = weft::spawn([&] { return get(e.a, 1); });
  weft::testing::wait_all_blocked();
  put(e.b, "y");
  CHECK(reader.get() == "y");
  const int number = e.a.release();
  ::close(number);  // behind Weft's back: a registration and "drained" are noted
  std::vector<owned_fd> others;
  owned_fd client(weft::socket(AF_INET, SOCK_STREAM, 0));
  while (client != number) {
    others.push_back(std::move(client));
    client = owned_fd(weft::socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(client <= number);
  }
  REQUIRE(weft::connect(client, any(l.address), sizeof l.address) == 0);
  owned_fd server(weft::accept(l.fd, nullptr, nullptr));
  auto next = weft::spawn([&] { return get(client); });
  weft::testing::wait_all_blocked();
  put(server, "new life");
  CHECK(next.get() == "new life");
}
