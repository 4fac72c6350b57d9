// The program's own epoll sets through rewritten sites: waits park, events are the kernel's, each goes to one waiter.
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include "site_call.hpp"
#include "sockets.hpp"
#include "weft/hub.hpp"

using namespace weft_test;

namespace {

struct set {
  owned_fd fd{::epoll_create1(EPOLL_CLOEXEC)};
  long add(int what, std::uint32_t events) { return control(EPOLL_CTL_ADD, what, events); }
  long control(int operation, int what, std::uint32_t events) {
    epoll_event e{};
    e.events = events;
    e.data.fd = what;
    return site_call(SYS_epoll_ctl, int{fd}, operation, what, &e);
  }
  // Descriptors of the events, or {-errno}.
  std::vector<long> wait(int ms = -1, int most = 8) {
    epoll_event events[8];
    const long n = site_call(SYS_epoll_wait, int{fd}, &events[0], most, ms);
    if (n < 0) return {n};
    std::vector<long> found;
    for (long i = 0; i < n; ++i) found.push_back(events[i].data.fd);
    return found;
  }
};

owned_fd event_fd() { return owned_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
void raise_event(int fd) {
  const std::uint64_t one = 1;
  REQUIRE(weft::sys::raw(SYS_write, fd, &one, 8) == 8);
}
void drain(int fd) {
  std::uint64_t n;
  weft::sys::raw(SYS_read, fd, &n, 8);
}

using found = std::vector<long>;

}  // namespace

TEST_CASE("epoll_wait parks until an event comes, with ET, ONESHOT and level semantics intact") {
  site_companion c;
  set s;
  owned_fd level = event_fd(), edge = event_fd(), once = event_fd();
  s.add(level, EPOLLIN);
  s.add(edge, EPOLLIN | EPOLLET);
  s.add(once, EPOLLIN | EPOLLONESHOT);
  const auto before = weft::this_hub().stats().parks;
  auto waiting = weft::spawn([&] { return s.wait(); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  raise_event(edge);
  CHECK(waiting.get() == found{edge});
  CHECK_FALSE(site_passed);
  CHECK(weft::this_hub().stats().parks > before);
  CHECK(s.wait(0) == found{});  // told once
  raise_event(edge);
  CHECK(s.wait() == found{edge});
  raise_event(once);
  CHECK(s.wait() == found{once});
  raise_event(once);
  CHECK(s.wait(5) == found{});  // disarmed
  auto rearmed = weft::spawn([&] { return s.wait(); });
  weft::testing::wait_all_blocked();
  CHECK(s.control(EPOLL_CTL_MOD, once, EPOLLIN | EPOLLONESHOT) == 0);
  CHECK(rearmed.get() == found{once});
  raise_event(level);
  CHECK(s.wait() == found{level});
  CHECK(s.wait() == found{level});  // still readable
  drain(level);
  CHECK(s.wait(5) == found{});
}

TEST_CASE("of several fibers in one set only one gets an event; the others wait on") {
  set s;
  owned_fd one = event_fd(), two = event_fd();
  s.add(one, EPOLLIN | EPOLLET);
  s.add(two, EPOLLIN | EPOLLET);
  int got = 0;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 5; ++i)
    fibers.push_back(weft::spawn([&] {
      for (;;) {
        const found f = s.wait(-1, 1);
        if (f.size() != 1 || f[0] < 0) return;
        ++got;
      }
    }));
  weft::testing::wait_all_blocked();
  for (int i = 1; i <= 10; ++i) {
    raise_event(one);
    raise_event(two);
    weft::testing::wait_all_blocked();
    CHECK(got == 2 * i);
  }
  // Closing the set ends all waits.
  site_call(SYS_close, int{s.fd});
  s.fd.release();
  weft::joinall(fibers);
}

TEST_CASE("maxevents cuts what one waiter gets, and another gets the rest") {
  set s;
  std::vector<owned_fd> fds;
  for (int i = 0; i < 6; ++i) {
    fds.push_back(event_fd());
    s.add(fds.back(), EPOLLIN | EPOLLET);
  }
  std::size_t total = 0, most = 0;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 3; ++i)
    fibers.push_back(weft::spawn([&] {
      const found f = s.wait(-1, 2);
      total += f.size();
      most = std::max(most, f.size());
    }));
  weft::testing::wait_all_blocked();
  for (auto& fd : fds) raise_event(fd);
  weft::joinall(fibers);
  CHECK(total == 6);
  CHECK(most == 2);
}

TEST_CASE("a set that is changed by another fiber or thread while it is waited on") {
  site_companion c;
  set s;
  owned_fd fd = event_fd(), later = event_fd();
  raise_event(fd);
  auto waiting = weft::spawn([&] { return s.wait(); });
  weft::testing::wait_all_blocked();
  CHECK(s.add(fd, EPOLLIN | EPOLLET) == 0);
  CHECK(waiting.get() == found{fd});
  auto again = weft::spawn([&] { return s.wait(); });
  weft::testing::wait_all_blocked();
  std::thread other([&] {
    s.control(EPOLL_CTL_DEL, fd, 0);
    s.add(later, EPOLLIN);
    raise_event(later);
  });
  CHECK(again.get() == found{later});
  other.join();
}

TEST_CASE("timeouts and errors are the kernel's") {
  site_companion c;
  weft::testing::virtual_clock clock;
  set s;
  epoll_event e;
  CHECK(s.wait(2500) == found{});
  CHECK(clock.elapsed() == 2500ms);
  timespec t{1, 500'000'000};
  CHECK(site_call(SYS_epoll_pwait2, int{s.fd}, &e, 1, &t, nullptr, 8) == 0);
  CHECK(clock.elapsed() == 4s);
  owned_fd no_set = event_fd();
  const timespec bad{0, -1};
  struct row {
    long nr;
    long fd;
    void* events;
    int most;
    const void* limit;
    const void* mask;
    long mask_size;
  };
  void* const soon = nullptr;
  char* const nowhere = reinterpret_cast<char*>(8);
  raise_event(no_set);
  set ready;
  ready.add(no_set, EPOLLIN);
  const row rows[] = {
      {SYS_epoll_wait, -1, &e, 1, soon, nullptr, 8},
      {SYS_epoll_wait, 54321, &e, 1, soon, nullptr, 8},
      {SYS_epoll_wait, no_set, &e, 1, soon, nullptr, 8},
      {SYS_epoll_wait, s.fd, &e, 0, soon, nullptr, 8},
      {SYS_epoll_wait, s.fd, &e, -1, soon, nullptr, 8},
      {SYS_epoll_wait, s.fd, &e, 0x7fffffff, soon, nullptr, 8},
      {SYS_epoll_wait, ready.fd, nowhere, 1, soon, nullptr, 8},
      {SYS_epoll_pwait, s.fd, &e, 1, soon, nowhere, 8},
      {SYS_epoll_pwait, s.fd, &e, 1, soon, &e, 4},
      {SYS_epoll_pwait2, s.fd, &e, 1, nowhere, nullptr, 8},
      {SYS_epoll_pwait2, s.fd, &e, 1, &bad, nullptr, 8},
  };
  for (const row& r : rows) {
    CAPTURE(r.nr);
    CAPTURE(r.most);
    const void* limit = r.nr == SYS_epoll_pwait2 ? r.limit : reinterpret_cast<const void*>(1L);
    const long natively = weft::sys::raw(r.nr, r.fd, r.events, r.most, limit, r.mask, r.mask_size);
    CHECK(natively < 0);
    CHECK(site_call(r.nr, r.fd, r.events, r.most, limit, r.mask, r.mask_size) == natively);
  }
}

TEST_CASE("a signal that only epoll_pwait's mask lets through ends the wait with EINTR") {
  static int handled;
  handled = 0;
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { ++handled; };
  ::sigaction(SIGUSR1, &action, &before);
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &block, &old);
  site_companion c;
  set s;
  owned_fd fd = event_fd();
  s.add(fd, EPOLLIN);
  const std::uint64_t none = 0;
  epoll_event e;
  auto wait = [&] { return site_call(SYS_epoll_pwait, int{s.fd}, &e, 1, -1, &none, 8); };
  auto waiting = weft::spawn(wait);
  weft::testing::wait_all_blocked();
  CHECK(handled == 0);
  ::raise(SIGUSR1);
  CHECK(waiting.get() == -EINTR);
  CHECK(handled == 1);
  auto event = weft::spawn(wait);
  weft::testing::wait_all_blocked();
  raise_event(fd);
  CHECK(event.get() == 1);
  CHECK(handled == 1);
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("sets nested as deep as the kernel allows are waited on, and take what they took natively") {
  site_companion c;
  // How deep it goes natively.
  std::size_t depth = 0;
  {
    std::vector<owned_fd> chain;
    chain.push_back(event_fd());
    for (; depth < 12; ++depth) {
      chain.emplace_back(::epoll_create1(EPOLL_CLOEXEC));
      epoll_event e{};
      e.events = EPOLLIN;
      if (::epoll_ctl(chain.back(), EPOLL_CTL_ADD, chain[chain.size() - 2], &e) != 0) break;
    }
  }
  REQUIRE(depth > 1);
  REQUIRE(depth < 12);
  owned_fd fd = event_fd();
  std::vector<set> chain(depth);
  // The innermost one is waited on, and so registered with the hub, before it is nested.
  auto innermost = weft::spawn([&] { return chain[0].wait(); });
  weft::testing::wait_all_blocked();
  CHECK(chain[0].add(fd, EPOLLIN) == 0);
  for (std::size_t i = 1; i < depth; ++i) CHECK(chain[i].add(chain[i - 1].fd, EPOLLIN) == 0);
  auto outermost = weft::spawn([&] { return chain[depth - 1].wait(); });
  weft::this_fiber::sleep_for(5ms);
  CHECK_FALSE(innermost.done());
  CHECK_FALSE(outermost.done());
  raise_event(fd);
  CHECK(innermost.get() == found{fd});
  CHECK(outermost.get() == found{chain[depth - 2].fd});
}

TEST_CASE("poll takes ten thousand descriptors, the same one many times, and says the kernel's words") {
  site_companion c;
  owned_fd quiet = event_fd(), loud = event_fd();
  std::vector<pollfd> fds(10'000, pollfd{quiet, POLLIN, 0});
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < fds.size()) {
    if (limit.rlim_max < fds.size()) fds.resize(limit.rlim_cur);
    limit.rlim_cur = fds.size();
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  fds[7].fd = fds[fds.size() - 1].fd = loud;
  fds[9].fd = -1;
  auto waiting = weft::spawn([&] { return site_call(SYS_poll, fds.data(), fds.size(), -1); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  raise_event(loud);
  CHECK(waiting.get() == 2);
  CHECK(fds[7].revents == POLLIN);
  CHECK(fds.back().revents == POLLIN);
  CHECK(fds[8].revents == 0);
  fds.resize(fds.size() + limit.rlim_max);
  CHECK(site_call(SYS_poll, fds.data(), fds.size(), 1) == -EINVAL);
}

TEST_CASE("distinct descriptors by the thousand: poll and select find the one") {
  site_companion c;
  std::vector<owned_fd> all;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  while (all.size() < 3000) {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) break;
    all.emplace_back(fd);
  }
  REQUIRE(all.size() > 500);
  std::vector<pollfd> fds;
  std::vector<std::uint64_t> bits(4096 / 64);
  int highest = 0;
  for (auto& fd : all) {
    fds.push_back({fd, POLLIN, 0});
    bits[static_cast<std::size_t>(fd) / 64] |= std::uint64_t{1} << fd % 64;
    highest = std::max(highest, int{fd});
  }
  auto polling = weft::spawn([&] { return site_call(SYS_poll, fds.data(), fds.size(), -1); });
  auto selecting = weft::spawn([&] { return site_call(SYS_select, highest + 1, bits.data(), nullptr, nullptr, nullptr); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(polling.done());
  raise_event(all[all.size() - 2]);
  CHECK(polling.get() == 1);
  CHECK(selecting.get() == 1);
  CHECK(fds[all.size() - 2].revents == POLLIN);
}
