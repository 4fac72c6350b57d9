// Both pollers against the same contract (poller.hpp): after `watch`, at least one report once ready, also when ready before.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "child.hpp"
#include "poller/poller.hpp"

namespace poller = weft::poller;

namespace {

struct opened {
  explicit opened(const char* name) : memory(::operator new(poller::storage_bytes())) {
    setenv("WEFT_POLLER", name, 1);
    // Pages from the kernel are zero, and pollers count on it.
    std::memset(memory, 0, poller::storage_bytes());
    p = poller::open(memory, poller::storage_bytes(), error);
    unsetenv("WEFT_POLLER");
  }
  ~opened() {
    if (p != nullptr) p->shut();
    ::operator delete(memory);
  }
  // The bits reported for `fd` by one wait.
  std::uint32_t reported(int fd, std::uint64_t timeout = 0) {
    std::uint32_t bits = 0;
    const int n = p->wait(timeout);
    for (int i = 0; i < n; ++i)
      if (p->events()[i].fd == fd) bits |= p->events()[i].events;
    return bits;
  }
  void* memory;
  long error = 0;
  poller::poller* p = nullptr;
};

struct socket_pair {
  socket_pair() { REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0); }
  ~socket_pair() {
    for (const int fd : ends)
      if (fd >= 0) close(fd);
  }
  int ends[2];
};

constexpr std::uint64_t soon = 5'000'000'000;  // an upper bound for what must happen at once

template <class F>
void with_both(F f) {
  for (const char* name : {"epoll", "select"}) {
    CAPTURE(std::string(name));
    opened o(name);
    REQUIRE(o.p != nullptr);
    CHECK(std::string(o.p->name()) == name);
    f(o);
  }
}

}  // namespace

TEST_CASE("what becomes ready after watching is reported") {
  with_both([](opened& o) {
    socket_pair s;
    poller::registration r;
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    CHECK((o.reported(s.ends[0]) & poller::in) == 0);
    REQUIRE(write(s.ends[1], "x", 1) == 1);
    CHECK((o.reported(s.ends[0], soon) & poller::in) != 0);
  });
}

TEST_CASE("what was ready before watching is reported too") {
  with_both([](opened& o) {
    socket_pair s;
    poller::registration r;
    REQUIRE(write(s.ends[1], "x", 1) == 1);
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    CHECK((o.reported(s.ends[0], soon) & poller::in) != 0);
    // Interest in writing comes later, on a socket that has long been writable.
    REQUIRE(o.p->watch(s.ends[0], poller::out, r) == 0);
    CHECK((o.reported(s.ends[0], soon) & poller::out) != 0);
  });
}

TEST_CASE("each arrival is reported again once it is watched for again") {
  with_both([](opened& o) {
    socket_pair s;
    poller::registration r;
    for (int i = 0; i < 3; ++i) {
      REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
      REQUIRE(write(s.ends[1], "x", 1) == 1);
      CHECK((o.reported(s.ends[0], soon) & poller::in) != 0);
      char c;
      REQUIRE(read(s.ends[0], &c, 1) == 1);
      CHECK((o.reported(s.ends[0]) & poller::in) == 0);
    }
  });
}

TEST_CASE("the peer's end is reported to a reader") {
  with_both([](opened& o) {
    socket_pair s;
    poller::registration r;
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    close(std::exchange(s.ends[1], -1));
    CHECK((o.reported(s.ends[0], soon) & (poller::in | poller::rdhup | poller::hup)) != 0);
  });
}

TEST_CASE("a report carries the generation that the number had when it was watched, and forgetting starts another") {
  with_both([](opened& o) {
    socket_pair s;
    poller::registration r;
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    const auto first = r.generation;
    REQUIRE(write(s.ends[1], "x", 1) == 1);
    const int n = o.p->wait(soon);
    REQUIRE(n == 1);
    CHECK(o.p->events()[0].generation == first);
    o.p->forget(s.ends[0], r);
    CHECK(r.generation != first);
    CHECK(r.watched == 0);
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    REQUIRE(o.p->wait(soon) == 1);
    CHECK(o.p->events()[0].generation == r.generation);
  });
}

TEST_CASE("a forgotten number is not reported, even while a duplicate keeps the file open") {
  with_both([](opened& o) {
    socket_pair s;
    poller::registration r;
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    const int copy = dup(s.ends[0]);
    o.p->forget(s.ends[0], r);
    close(std::exchange(s.ends[0], -1));
    REQUIRE(write(s.ends[1], "x", 1) == 1);
    CHECK(o.p->wait(0) == 0);
    close(copy);
  });
}

TEST_CASE("watching a closed number fails with EBADF") {
  with_both([](opened& o) {
    poller::registration r;
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    CHECK(o.p->watch(fd, poller::in, r) == -EBADF);
    CHECK(o.p->watch(-1, poller::in, r) == -EBADF);
  });
}

TEST_CASE("a wake ends a wait, before it or during it, and is not reported as a descriptor") {
  with_both([](opened& o) {
    o.p->wake();
    CHECK(o.p->wait(~std::uint64_t{0}) == 0);
    std::thread waker([&o] { o.p->wake(); });
    CHECK(o.p->wait(~std::uint64_t{0}) == 0);
    waker.join();
  });
}

TEST_CASE("a wait without anything to come ends after its time") {
  with_both([](opened& o) {
    CHECK(o.p->wait(1) == 0);
    CHECK(o.p->wait(1'500'000) == 0);
  });
}

TEST_CASE("a descriptor closed behind the poller's back does not stop the others") {
  with_both([](opened& o) {
    socket_pair gone, s;
    poller::registration r1, r2;
    REQUIRE(o.p->watch(gone.ends[0], poller::in, r1) == 0);
    REQUIRE(o.p->watch(s.ends[0], poller::in, r2) == 0);
    close(std::exchange(gone.ends[0], -1));
    REQUIRE(write(s.ends[1], "x", 1) == 1);
    std::uint32_t seen = 0;
    for (int i = 0; i < 3 && seen == 0; ++i) seen = o.reported(s.ends[0], soon);
    CHECK((seen & poller::in) != 0);
  });
}

TEST_CASE("more descriptors than a batch holds are all reported, the high ones too") {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 4'000) return;
  with_both([](opened& o) {
    std::vector<std::unique_ptr<socket_pair>> pairs;
    std::vector<poller::registration> registrations(700);
    std::vector<bool> seen(16'384, false);
    for (int i = 0; i < 700; ++i) {
      pairs.push_back(std::make_unique<socket_pair>());
      const int fd = pairs.back()->ends[0];
      REQUIRE(o.p->watch(fd, poller::in, registrations[static_cast<std::size_t>(i)]) == 0);
      REQUIRE(write(pairs.back()->ends[1], "x", 1) == 1);
    }
    CHECK(pairs.back()->ends[0] > 1'024);
    for (int round = 0; round < 4; ++round) {
      const int n = o.p->wait(0);
      CHECK(n <= poller::poller::batch);
      for (int i = 0; i < n; ++i) seen[static_cast<std::size_t>(o.p->events()[i].fd)] = true;
    }
    for (const auto& p : pairs) CHECK(seen[static_cast<std::size_t>(p->ends[0])]);
  });
}

TEST_CASE("a poller that is reopened, as after fork, has forgotten everything and works") {
  with_both([](opened& o) {
    socket_pair s;
    poller::registration r;
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    REQUIRE(o.p->reopen() == 0);
    REQUIRE(write(s.ends[1], "x", 1) == 1);
    CHECK(o.p->wait(0) == 0);
    r = {};
    REQUIRE(o.p->watch(s.ends[0], poller::in, r) == 0);
    CHECK((o.reported(s.ends[0], soon) & poller::in) != 0);
  });
}

TEST_CASE("a regular file is always ready: epoll refuses it, select reports it") {
  with_both([](opened& o) {
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    poller::registration r;
    const int got = o.p->watch(fd, poller::in, r);
    if (got == 0)
      CHECK((o.reported(fd, soon) & poller::in) != 0);
    else
      CHECK(got == -EPERM);
    o.p->forget(fd, r);
    close(fd);
  });
}

TEST_CASE("a poller that cannot be opened says why and leaves no descriptor behind") {
  for (const char* name : {"epoll", "select"}) {
    CAPTURE(std::string(name));
    // Room for one more descriptor: epoll needs two, select one.
    const int next = dup(0);
    close(next);
    rlimit limit{}, tight{};
    getrlimit(RLIMIT_NOFILE, &limit);
    tight = limit;
    tight.rlim_cur = static_cast<rlim_t>(next) + (std::string(name) == "epoll" ? 1 : 0);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    opened o(name);
    setrlimit(RLIMIT_NOFILE, &limit);
    CHECK(o.p == nullptr);
    CHECK(o.error == -EMFILE);
    const int after = dup(0);
    CHECK(after == next);
    close(after);
  }
}

TEST_CASE("a poller's own descriptors are known as its own, and closed on exec") {
  with_both([](opened& o) {
    int own = 0;
    for (int fd = 0; fd < 2'000; ++fd)
      if (o.p->owns(fd)) {
        ++own;
        CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
      }
    CHECK(own >= 1);
  });
}
