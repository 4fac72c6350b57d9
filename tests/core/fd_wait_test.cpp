// Descriptors as the hub sees them: reports reach those who wait, and never those who wait on a later owner of the number.
#include <doctest/doctest.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <numeric>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "core/hub.hpp"
#include "io/wait_fd.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using namespace weft::detail;
namespace core = weft::core;
namespace poller = weft::poller;

namespace {

struct socket_pair {
  socket_pair() { REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0); }
  ~socket_pair() {
    hub& h = current_hub();
    for (const int fd : ends) {
      if (fd < 0) continue;
      core::fd_forget(h, fd);
      close(fd);
    }
  }
  void send() { REQUIRE(write(ends[1], "x", 1) == 1); }
  int ends[2];
};

weft::fiber<long> waits(int fd, std::uint32_t events = poller::in, nanos deadline = never) {
  auto f = weft::spawn([=] {
    hub& h = current_hub();
    return weft::io::wait_fd(h, fd, *h.fds.get(fd), events, deadline, "test");
  });
  weft::this_fiber::yield();
  return f;
}

}  // namespace

TEST_CASE("a fiber that waits for a descriptor wakes when it is ready") {
  socket_pair s;
  auto f = waits(s.ends[0]);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(f.done());
  CHECK(current_hub().fd_waiters == 1);
  s.send();
  CHECK(f.get() == 0);
  CHECK(current_hub().fd_waiters == 0);
}

TEST_CASE("what arrives between a try that would block and the wait is not missed, again and again") {
  socket_pair s;
  auto f = weft::spawn([&] {
    hub& h = current_hub();
    core::fd_entry& e = *h.fds.get(s.ends[0]);
    int woken = 0;
    for (int i = 0; i < 100; ++i) {
      char c;
      const auto sequence = e.sequence;
      if (read(s.ends[0], &c, 1) != -1) break;  // the try
      s.send();
      if (e.sequence == sequence && weft::io::wait_fd(h, s.ends[0], e, poller::in, never, "test") == 0) ++woken;
      if (read(s.ends[0], &c, 1) != 1) break;
    }
    return woken;
  });
  CHECK(f.get_for(30s) == 100);
}

TEST_CASE("a report wakes all who wait for it, and only those") {
  socket_pair s;
  // Fill the socket, so that it is not writable.
  std::vector<char> much(1 << 20);
  while (write(s.ends[0], much.data(), much.size()) > 0) {}
  auto reader = waits(s.ends[0]), other_reader = waits(s.ends[0]), writer = waits(s.ends[0], poller::out);
  weft::testing::wait_all_blocked();
  s.send();
  CHECK(reader.get() == 0);
  CHECK(other_reader.get() == 0);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(writer.done());
  while (read(s.ends[1], much.data(), much.size()) > 0) {}
  CHECK(writer.get() == 0);
}

TEST_CASE("the peer's end wakes readers and writers") {
  socket_pair s;
  std::vector<char> much(1 << 20);
  while (write(s.ends[0], much.data(), much.size()) > 0) {}
  auto reader = waits(s.ends[0]), writer = waits(s.ends[0], poller::out);
  close(s.ends[1]);
  s.ends[1] = -1;
  CHECK(reader.get() == 0);
  CHECK(writer.get() == 0);
}

TEST_CASE("fibers parked on a descriptor that is closed wake with EBADF") {
  socket_pair s;
  auto f = waits(s.ends[0]), g = waits(s.ends[0], poller::in, now(current_hub()) + 3'600'000'000'000);
  core::fd_forget(current_hub(), s.ends[0]);
  close(s.ends[0]);
  s.ends[0] = -1;
  CHECK(f.get() == -EBADF);
  CHECK(g.get() == -EBADF);
  CHECK(current_hub().fd_waiters == 0);
}

TEST_CASE("a deadline or a cancellation ends the wait and withdraws it") {
  weft::testing::virtual_clock clock;
  hub& h = current_hub();
  socket_pair s;
  auto f = waits(s.ends[0], poller::in, now(h) + 5'000'000'000);
  f.join();
  CHECK(clock.elapsed() == 5s);
  CHECK(h.fd_waiters == 0);
  CHECK(h.fds.get(s.ends[0])->waiters.empty());
  auto g = waits(s.ends[0]);
  g.cancel();
  g.join();
  CHECK(h.fd_waiters == 0);
  CHECK(h.fds.get(s.ends[0])->waiters.empty());
}

TEST_CASE("every report counts in the descriptor's sequence") {
  hub& h = current_hub();
  socket_pair s;
  waits(s.ends[0]);
  core::fd_entry& e = *h.fds.get(s.ends[0]);
  e.drained = true;
  const auto before = e.sequence;
  s.send();
  weft::testing::wait_all_blocked();
  CHECK(e.sequence != before);
  CHECK_FALSE(e.drained);
}

TEST_CASE("a report for an earlier owner of a number wakes nobody who waits on the later one") {
  // The kernel's registration cannot be deleted any more, but the file lives on under another number.
  hub& h = current_hub();
  socket_pair earlier, later;
  auto f = waits(earlier.ends[0]);
  const int copy = dup(earlier.ends[0]);
  close(earlier.ends[0]);  // raw: the epoll registration stays with the open file
  core::fd_forget(h, earlier.ends[0]);
  CHECK(f.get() == -EBADF);
  REQUIRE(dup2(later.ends[0], earlier.ends[0]) == earlier.ends[0]);
  auto g = waits(earlier.ends[0]);
  earlier.send();
  weft::testing::wait_all_blocked();
  CHECK_FALSE(g.done());
  later.send();
  CHECK(g.get_for(5s) == 0);
  close(copy);
}

TEST_CASE("a poll looks in now and then while the ready queue never empties") {
  socket_pair s;
  auto f = waits(s.ends[0]);
  s.send();
  bool stop = false;
  auto busy = weft::spawn([&] {
    while (!stop) weft::this_fiber::yield();
  });
  auto watcher = weft::spawn([&] {
    f.join();
    stop = true;
  });
  CHECK(watcher.join_for(30s));
  stop = true;
  busy.join();
}

TEST_CASE("reports that come by the hundred wake their fibers in the order of the reports") {
  constexpr int count = 200;
  std::deque<socket_pair> pairs(count);
  std::vector<int> order, expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  std::vector<weft::fiber<void>> fibers;
  for (int i = 0; i < count; ++i)
    fibers.push_back(weft::spawn([&, i] {
      hub& h = current_hub();
      const int fd = pairs[static_cast<std::size_t>(i)].ends[0];
      if (weft::io::wait_fd(h, fd, *h.fds.get(fd), poller::in, never, "test") == 0) order.push_back(i);
    }));
  weft::testing::wait_all_blocked();
  for (socket_pair& s : pairs) s.send();
  for (auto& f : fibers) f.join();
  CHECK(order == expected);
}

TEST_CASE("a report that is not told yet when its descriptor is closed does not reach the number's next owner") {
  constexpr std::size_t count = 100;  // more than are told at once
  hub& h = current_hub();
  std::deque<socket_pair> pairs(count);
  socket_pair later;
  socket_pair& last = pairs.back();
  std::vector<weft::fiber<long>> others;
  weft::fiber<long> next_owner;
  auto first = weft::spawn([&] {
    const int fd = pairs[0].ends[0];
    const long got = weft::io::wait_fd(h, fd, *h.fds.get(fd), poller::in, never, "test");
    core::fd_forget(h, last.ends[0]);
    if (dup2(later.ends[0], last.ends[0]) != last.ends[0]) return long{-1};
    next_owner = waits(last.ends[0]);
    return got;
  });
  weft::this_fiber::yield();
  for (std::size_t i = 1; i < count; ++i) others.push_back(waits(pairs[i].ends[0]));
  weft::testing::wait_all_blocked();
  for (socket_pair& s : pairs) s.send();
  CHECK(first.get() == 0);
  for (std::size_t i = 0; i + 1 < others.size(); ++i) CHECK(others[i].get() == 0);
  CHECK(others.back().get() == -EBADF);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(next_owner.done());
  later.send();
  CHECK(next_owner.get() == 0);
}

TEST_CASE("the virtual clock does not jump while the world was not looked at, even when reports are left that reach nobody") {
  weft::testing::virtual_clock clock;
  hub& h = current_hub();
  std::deque<socket_pair> pairs(100);
  socket_pair s;
  auto waiting = waits(s.ends[0], poller::in, now(h) + 5'000'000'000);
  std::vector<weft::fiber<long>> others;
  auto first = weft::spawn([&] {
    const int fd = pairs[0].ends[0];
    weft::io::wait_fd(h, fd, *h.fds.get(fd), poller::in, never, "test");
    for (auto& f : others) f.cancel();
    s.send();
  });
  weft::this_fiber::yield();
  for (std::size_t i = 1; i < pairs.size(); ++i) others.push_back(waits(pairs[i].ends[0]));
  weft::testing::wait_all_blocked();
  for (socket_pair& p : pairs) p.send();
  CHECK(waiting.get() == 0);
  CHECK(clock.elapsed() == 0s);
  for (auto& f : others) f.join();
}

TEST_CASE("what another thread sent just before the hub sleeps is seen before it sleeps") {
  hub& h = current_hub();
  socket_pair s;
  bool rescued = false;
  waiter w("test");
  // Nothing but the inbox wakes main; when that fails, a descriptor does, so that the test fails instead of hanging.
  auto rescue = weft::spawn([&] {
    rescued = weft::io::wait_fd(h, s.ends[0], *h.fds.get(s.ends[0]), poller::in, never, "test") == 0;
    unpark(w);
  });
  weft::this_fiber::yield();
  std::mutex lock;
  std::condition_variable changed;
  bool over = false;
  std::thread watch([&] {
    std::unique_lock held(lock);
    if (!changed.wait_for(held, 10s, [&] { return over; })) s.send();
  });
  struct wakes : core::remote_node {
    waiter* w;
  } node;
  node.w = &w;
  node.run = [](hub&, core::remote_node* n) noexcept { unpark(*static_cast<wakes*>(n)->w); };
  core::hub_post(h, node);  // nobody sleeps yet, so nobody is woken by it
  CHECK(park(h, w) == wake::ready);
  {
    const std::lock_guard held(lock);
    over = true;
  }
  changed.notify_one();
  watch.join();
  CHECK_FALSE(rescued);
  rescue.kill();
}
