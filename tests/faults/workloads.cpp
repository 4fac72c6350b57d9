#include "workloads.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "crew.hpp"
#include "io/offload.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace weft_test {
namespace {

using bytes = std::vector<unsigned char>;

bytes random_bytes(std::mt19937& random, std::size_t n) {
  bytes b(n);
  for (auto& c : b) c = static_cast<unsigned char>(random());
  return b;
}

void send_all(int fd, const bytes& all, std::mt19937& random, bool socket) {
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t n = std::min<std::size_t>(all.size() - at, 1 + random() % 20'000);
    const iovec parts[2] = {{const_cast<unsigned char*>(&all[at]), n / 2}, {const_cast<unsigned char*>(&all[at]) + n / 2, n - n / 2}};
    long sent;
    switch (random() % 3) {
      case 0: sent = insist([&] { return weft::write(fd, &all[at], n); }); break;
      case 1: sent = insist([&] { return weft::writev(fd, parts, 2); }); break;
      default: sent = insist([&] { return socket ? weft::send(fd, &all[at], n, MSG_NOSIGNAL) : weft::write(fd, &all[at], n); });
    }
    REQUIRE(sent > 0);
    at += static_cast<std::size_t>(sent);
  }
}

bytes receive(int fd, std::size_t size, std::mt19937& random, bool socket) {
  bytes all(size);
  for (std::size_t at = 0; at < size;) {
    const std::size_t n = std::min<std::size_t>(size - at, 1 + random() % 30'000);
    const iovec parts[2] = {{&all[at], n / 2}, {&all[at] + n / 2, n - n / 2}};
    long got;
    switch (random() % 3) {
      case 0: got = insist([&] { return weft::read(fd, &all[at], n); }); break;
      case 1: got = insist([&] { return weft::readv(fd, parts, 2); }); break;
      default: got = insist([&] { return socket ? weft::recv(fd, &all[at], n, 0) : weft::read(fd, &all[at], n); });
    }
    REQUIRE(got > 0);
    at += static_cast<std::size_t>(got);
  }
  return all;
}

void close_pair(const int* ends) {
  weft::close(ends[0]);
  weft::close(ends[1]);
}

// Bytes there, checked, and back, over Unix sockets, TCP or a pair of pipes.
void ping_pong(crew& group, unsigned seed) {
  std::mt19937 random(seed);
  int there[2], back[2];
  const bool sockets = random() % 3 != 0;
  if (sockets) {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, there) == 0);
    back[0] = there[0];
    back[1] = there[1];
  } else {
    REQUIRE(::pipe2(there, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(back, O_CLOEXEC) == 0);
    std::swap(there[0], there[1]);  // written at [0], read at [1], as the socket pair is
  }
  const bytes all = random_bytes(random, 50'000 + random() % 150'000);
  group.spawn([=] {
    std::mt19937 mine(seed + 1);
    send_all(there[0], all, mine, sockets);
    CHECK(receive(back[0], all.size(), mine, sockets) == all);
    weft::close(there[0]);
    if (!sockets) weft::close(back[0]);
  });
  group.spawn([=] {
    std::mt19937 mine(seed + 2);
    const bytes got = receive(there[1], all.size(), mine, sockets);
    CHECK(got == all);
    send_all(back[1], got, mine, sockets);
    weft::close(there[1]);
    if (!sockets) weft::close(back[1]);
  });
}

// Clients that connect at once, to a server that accepts while descriptors and memory run out.
void storm(crew& group, unsigned seed) {
  constexpr int clients = 12;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  REQUIRE(::listen(listener, 64) == 0);
  group.spawn([=, &group] {
    for (int i = 0; i < clients; ++i) {
      const long fd = insist([&] { return weft::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); });
      REQUIRE(fd >= 0);
      group.spawn([=] {
        std::mt19937 mine(seed + static_cast<unsigned>(fd));
        send_all(static_cast<int>(fd), receive(static_cast<int>(fd), 3'000, mine, true), mine, true);
        weft::close(static_cast<int>(fd));
      });
    }
    weft::close(listener);
  });
  for (unsigned i = 0; i < clients; ++i)
    group.spawn([=] {
      std::mt19937 mine(seed + 1'000 + i);
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      // On the same socket again: the connection may have come although the wait for it failed.
      while (weft::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 && errno != EISCONN) {
        REQUIRE((passing(errno) || errno == EALREADY));
        weft::this_fiber::yield();
      }
      const bytes all = random_bytes(mine, 3'000);
      send_all(fd, all, mine, true);
      CHECK(receive(fd, all.size(), mine, true) == all);
      weft::close(fd);
    });
}

// Waits with and without deadlines that cut in.
void timers(crew& group, unsigned seed) {
  for (unsigned i = 0; i < 10; ++i)
    group.spawn([=] {
      std::mt19937 mine(seed + i);
      weft::event never;
      for (int k = 0; k < 5; ++k) {
        weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 2'000));
        CHECK_FALSE(never.wait_for(std::chrono::microseconds(mine() % 1'000)));
      }
    });
}

// Fibers that are cancelled in the middle of a wait for bytes; what they would have read stays.
void cancellations(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    for (int k = 0; k < 8; ++k) {
      int ends[2];
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
      bool read_it = false;
      crew waiting;
      waiting.spawn([&] {
        char c;
        if (insist([&] { return weft::recv(ends[1], &c, 1, 0); }) == 1) read_it = true;
      });
      if (mine() % 2 != 0) weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 300));
      const bool sent = mine() % 2 != 0;
      if (sent) REQUIRE(insist([&] { return weft::send(ends[0], "x", 1, MSG_NOSIGNAL); }) == 1);
      if (!sent || mine() % 2 != 0) waiting.cancel();
      waiting.join();
      // The byte is in one place.
      char c;
      const bool left = ::recv(ends[1], &c, 1, MSG_DONTWAIT) == 1;
      CHECK(left + read_it == sent);
      close_pair(ends);
    }
  });
}

// A descriptor is closed under those who wait on it: each is told.
void closes(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    for (int k = 0; k < 5; ++k) {
      int ends[2];
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
      int begun = 0, told = 0;
      bool closed = false;
      crew readers;
      for (int i = 0; i < 3; ++i)
        readers.spawn([&] {
          char c;
          ++begun;
          // Not tried again after the close: the number may be somebody else's by then.
          const long got = insist([&] { return closed ? (errno = EBADF, ssize_t{-1}) : weft::recv(ends[1], &c, 1, 0); });
          told += got == -1 && errno == EBADF;
        });
      while (begun < 3) readers.revive(), weft::this_fiber::yield();
      weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 500));
      closed = true;
      weft::close(ends[1]);
      readers.join();
      CHECK(told == 3);
      weft::close(ends[0]);
    }
  });
}

// Files on disk: written and read back.
void files(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    char name[] = "/tmp/weft-faults-XXXXXX";
    const int fd = ::mkostemp(name, O_CLOEXEC);
    REQUIRE(fd >= 0);
    ::unlink(name);
    const bytes all = random_bytes(mine, 100'000);
    send_all(fd, all, mine, false);
    REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
    CHECK(receive(fd, all.size(), mine, false) == all);
    // By the ring, or by a thread where there is none.
    const auto offloaded = [](const weft::io::offload_call& call) {
      const long result = weft::io::offload(weft::detail::current_hub(), call, weft::io::never, "file", weft::io::offload_kind::brief);
      if (result >= 0) return result;
      errno = static_cast<int>(-result);
      return -1L;
    };
    for (std::size_t at = 0; at < all.size(); at += 10'000) {
      bytes part(10'000);
      REQUIRE(insist([&] { return offloaded(weft::io::call_of(SYS_pread64, fd, part.data(), part.size(), at)); }) == 10'000);
      CHECK(std::equal(part.begin(), part.end(), all.begin() + static_cast<long>(at)));
      REQUIRE(insist([&] { return offloaded(weft::io::call_of(SYS_pwrite64, fd, part.data(), part.size(), at)); }) == 10'000);
    }
    CHECK(insist([&] { return offloaded(weft::io::call_of(SYS_fsync, fd)); }) == 0);
    weft::close(fd);
  });
}

// More fibers at once than a hub has stacks in store; half of them are cancelled, some before they have begun.
void spawns(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    int ended = 0, cancelled = 0;
    crew sleepers, doomed;
    for (int i = 0; i < 60; ++i) {
      sleepers.spawn([&] {
        weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 1'000));
        ++ended;
      });
      doomed.spawn([&] {
        try {
          weft::this_fiber::sleep_for(1h);
        } catch (const weft::cancelled&) {
          ++cancelled;
          throw;
        }
      });
    }
    if (mine() % 2 != 0) weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 1'000));
    doomed.cancel();
    doomed.join();
    sleepers.join();
    CHECK(ended == 60);
    CHECK(cancelled <= 60);
  });
}

}  // namespace

void play_all(unsigned seed) {
  std::mt19937 random(seed);
  crew group;
  for (unsigned i = 0; i < 3; ++i) ping_pong(group, seed + i * 10);
  if (random() % 2 != 0) storm(group, seed + 100);
  timers(group, seed + 200);
  cancellations(group, seed + 300);
  closes(group, seed + 400);
  if (random() % 2 != 0) files(group, seed + 500);
  spawns(group, seed + 600);
  group.join();
}

}  // namespace weft_test
