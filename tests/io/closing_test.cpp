// Closing a descriptor from another thread than the one whose fibers wait on it.
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>
#include <vector>

#include "site_call.hpp"
#include "sockets.hpp"
#include "weft/hub.hpp"

using namespace weft_test;

namespace {

// Another OS thread with a hub, whose fibers run the given waits; their results are there when it is joined.
class other_hub {
public:
  explicit other_hub(std::vector<std::function<long()>> waits) : results(waits.size()) {
    thread_ = std::thread([this, waits = std::move(waits)] {
      std::vector<weft::fiber<>> fibers;
      for (std::size_t i = 0; i < waits.size(); ++i) fibers.push_back(weft::spawn([this, &waits, i] { results[i] = waits[i](); }));
      weft::testing::wait_all_blocked();
      parked = true;
      weft::joinall(fibers);
    });
    while (!parked) std::this_thread::sleep_for(100us);
  }
  ~other_hub() { join(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  std::vector<long> results;
  std::atomic<bool> parked{false};

private:
  std::thread thread_;
};

std::function<long()> reading(int fd) {
  return [fd] {
    char byte;
    return site_call(SYS_read, fd, &byte, 1);
  };
}

void as_native_thread(std::function<void()> fn) { std::thread(std::move(fn)).join(); }

}  // namespace

TEST_CASE("a close by another hub's fiber, or by a native thread, wakes readers, writers, pollers and epoll waiters with EBADF") {
  for (const bool native : {false, true}) {
    CAPTURE(native);
    ends tcp = tcp_pair(), unix_ends = unix_pair(), pipe = pipe_pair(), quiet = unix_pair();
    listener l;
    owned_fd set(::epoll_create1(EPOLL_CLOEXEC));
    const int fds[] = {tcp.a, unix_ends.a, pipe.a, l.fd, set};
    pollfd polled{quiet.a, POLLIN, 0};
    epoll_event event;
    other_hub there({reading(fds[0]), [&] { return site_call(SYS_recvfrom, fds[1], &event, 1, 0, 0, 0); }, reading(fds[2]),
                     [&] { return site_call(SYS_accept, fds[3], nullptr, nullptr); },
                     [&] { return site_call(SYS_epoll_wait, fds[4], &event, 1, -1); },
                     [&] { return site_call(SYS_poll, &polled, 1, -1); }});
    auto close_all = [&] {
      for (const int fd : fds) site_call(SYS_close, fd);
      site_call(SYS_close, polled.fd);
    };
    if (native) {
      as_native_thread(close_all);
    } else {
      site_companion c;
      close_all();
    }
    for (owned_fd* fd : {&tcp.a, &quiet.a, &unix_ends.a, &pipe.a, &l.fd, &set}) fd->release();
    there.join();
    CHECK(there.results == std::vector<long>{-EBADF, -EBADF, -EBADF, -EBADF, -EBADF, 1});
    CHECK(polled.revents == POLLNVAL);
  }
}

TEST_CASE("dup2 and close_range by another thread count as closing") {
  ends a = unix_pair(), b = unix_pair(), c = unix_pair();
  other_hub there({reading(a.a), reading(b.a)});
  as_native_thread([&] {
    site_call(SYS_dup2, int{c.a}, int{a.a});
    site_call(SYS_close_range, int{b.a}, int{b.a}, 0);
  });
  b.a.release();
  there.join();
  CHECK(there.results == std::vector<long>{-EBADF, -EBADF});
  put(c.b, "x");
  char byte = 0;
  CHECK(site_call(SYS_read, int{a.a}, &byte, 1) == 1);  // the number lives on, as the other socket
}

TEST_CASE("a wait on a number's next life is not taken for one on the last") {
  for (int round = 0; round < 200; ++round) {
    ends old = unix_pair(), fresh = unix_pair();
    std::atomic<bool> waits{false}, replaced{false};
    std::atomic<long> second{0};
    char byte = 0;
    std::thread hub([&] {
      auto first = weft::spawn([&] { return site_call(SYS_read, int{old.a}, &byte, 1); });
      auto next = weft::spawn([&] {
        waits = true;
        // Not a look at the inbox between the replacement and this wait.
        while (!replaced) {
        }
        char mine = 0;
        second = site_call(SYS_read, int{old.a}, &mine, 1);
        if (second == 1) second = mine;
      });
      weft::testing::wait_all_blocked();
      CHECK(first.get() == -EBADF);
      put(fresh.b, "n");
      next.join();
    });
    while (!waits) std::this_thread::sleep_for(20us);
    site_call(SYS_dup2, int{fresh.a}, int{old.a});
    replaced = true;
    hub.join();
    if (second != 'n') FAIL("the second life's read gave " << second);
  }
  CHECK(true);
}

TEST_CASE("more closings at once than a hub keeps by name") {
  std::vector<ends> pairs;
  std::vector<std::function<long()>> waits;
  for (int i = 0; i < 150; ++i) {
    pairs.push_back(unix_pair());
    waits.push_back(reading(pairs.back().a));
  }
  other_hub there(std::move(waits));
  as_native_thread([&] {
    for (auto& p : pairs) site_call(SYS_close, p.a.release());
  });
  there.join();
  for (const long r : there.results) CHECK(r == -EBADF);
}

TEST_CASE("a vfork child's closes are its own") {
  ends e = unix_pair();
  other_hub there({reading(e.a)});
  as_native_thread([&] {
    const pid_t pid = ::vfork();
    if (pid == 0) {
      site_call(SYS_close, int{e.a});
      ::_exit(0);
    }
    int status;
    weft::sys::raw(SYS_wait4, pid, &status, 0, nullptr);
  });
  put(e.b, "x");
  there.join();
  CHECK(there.results == std::vector<long>{1});
}

TEST_CASE("hubs come and go while others close") {
  std::atomic<bool> stop{false};
  std::thread closer([&] {
    while (!stop) {
      ends e = unix_pair();
      other_hub there({reading(e.a), reading(e.b)});
      site_call(SYS_close, e.a.release());
      there.join();
      CHECK(there.results == std::vector<long>{-EBADF, 0});
    }
  });
  site_companion c;
  for (int i = 0; i < 100; ++i) {
    ends e = pipe_pair();
    auto reader = weft::spawn(reading(e.a));
    weft::testing::wait_all_blocked();
    site_call(SYS_close, e.a.release());
    CHECK(reader.get() == -EBADF);
  }
  stop = true;
  closer.join();
}
