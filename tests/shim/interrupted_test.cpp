// EINTR and SA_RESTART of parked calls: what a signal does to a call in a fiber is what it does to the call in a thread.
#include <doctest/doctest.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <ctime>
#include <memory>
#include <vector>

#include "interrupted.hpp"
#include "weft/patch.hpp"

using namespace weft_test;

namespace {

void to_thread(pthread_t t) { pthread_kill(t, SIGUSR1); }

struct active {
  active() {
    static const bool once = [] {
      weft::patch_all();
      return weft::patch_info().sites_patched > 0;
    }();
    REQUIRE(once);
  }
  ~active() { CHECK(weft::this_hub().stats().parks > 1); }
};

struct pipe_ends {
  pipe_ends() {
    if (pipe(fds) != 0) std::abort();
  }
  ~pipe_ends() { close(fds[0]), close(fds[1]); }
  int fds[2];
};

std::string read_one(int fd) {
  char c = 0;
  const std::string got = outcome(read(fd, &c, 1));
  return got + (c != 0 ? std::string(1, c) : "");
}

// Runs it in both worlds; both say `expected`.
void same(const std::function<interruption()>& make, const char* expected) {
  const active weft_is;
  CHECK(interrupted(make(), false) == expected);
  CHECK(interrupted(make(), true) == expected);
}

}  // namespace

TEST_CASE("a read is made again after a handler with SA_RESTART") {
  install(SIGUSR1, SA_RESTART);
  auto p = std::make_shared<pipe_ends>();
  same([p] {
    return interruption{[p] { return read_one(p->fds[0]); }, to_thread, [p] { write(p->fds[1], "x", 1); }};
  }, "1x, handlers ran 1");
}

TEST_CASE("a read fails with EINTR after a handler without SA_RESTART") {
  install(SIGUSR1, 0);
  auto p = std::make_shared<pipe_ends>();
  same([p] { return interruption{[p] { return read_one(p->fds[0]); }, to_thread, {}}; }, "-1 EINTR, handlers ran 1");
}

TEST_CASE("a receive with a time limit fails with EINTR whatever the flags") {
  install(SIGUSR1, SA_RESTART);
  same([] {
    return interruption{[] {
      int fds[2];
      socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
      const timeval limit{30, 0};
      setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      char c;
      const std::string got = outcome(recv(fds[0], &c, 1, 0));
      close(fds[0]), close(fds[1]);
      return got;
    }, to_thread, {}};
  }, "-1 EINTR, handlers ran 1");
}

TEST_CASE("what was received already wins over the signal") {
  install(SIGUSR1, 0);
  same([] {
    return interruption{[] {
      int fds[2];
      socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
      char text[8];
      send(fds[1], "abc", 3, 0);
      const std::string got = outcome(recv(fds[0], text, sizeof text, MSG_WAITALL));
      close(fds[0]), close(fds[1]);
      return got;
    }, to_thread, {}};
  }, "3, handlers ran 1");
}

TEST_CASE("what was written already wins over the signal") {
  install(SIGUSR1, 0);
  same([] {
    return interruption{[] {
      pipe_ends p;
      static char much[1 << 20];
      return outcome(write(p.fds[1], much, sizeof much));
    }, to_thread, {}};
  }, "65536, handlers ran 1");
}

TEST_CASE("accept is made again after a handler with SA_RESTART, and fails without") {
  for (const bool again : {true, false}) {
    CAPTURE(again);
    install(SIGUSR1, again ? SA_RESTART : 0);
    same([again] {
      auto listener = std::make_shared<int>(socket(AF_INET, SOCK_STREAM, 0));
      sockaddr_in a{};
      a.sin_family = AF_INET;
      a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      bind(*listener, reinterpret_cast<sockaddr*>(&a), sizeof a);
      listen(*listener, 1);
      socklen_t size = sizeof a;
      getsockname(*listener, reinterpret_cast<sockaddr*>(&a), &size);
      return interruption{[listener] {
        const int fd = accept(*listener, nullptr, nullptr);
        const std::string got = fd >= 0 ? "accepted" : outcome(fd);
        close(fd), close(*listener);
        return got;
      }, to_thread, [again, a] {
        if (!again) return;
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a);
        close(fd);
      }};
    }, again ? "accepted, handlers ran 1" : "-1 EINTR, handlers ran 1");
  }
}

TEST_CASE("sleeps end with EINTR and say what was left") {
  install(SIGUSR1, SA_RESTART);
  same([] {
    return interruption{[] {
      timespec wanted{100, 0}, left{};
      const std::string got = outcome(nanosleep(&wanted, &left));
      return got + (left.tv_sec >= 50 && left.tv_sec < 100 ? ", some left" : ", nothing left");
    }, to_thread, {}};
  }, "-1 EINTR, some left, handlers ran 1");
  same([] {
    return interruption{[] {
      timespec until;
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_sec += 100;
      return std::to_string(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr) == EINTR);
    }, to_thread, {}};
  }, "1, handlers ran 1");
  same([] { return interruption{[] { return std::string(sleep(100) > 50 ? "left" : "slept"); }, to_thread, {}}; },
       "left, handlers ran 1");
}

TEST_CASE("poll and select end with EINTR whatever the flags") {
  install(SIGUSR1, SA_RESTART);
  same([] { return interruption{[] { return outcome(poll(nullptr, 0, 100'000)); }, to_thread, {}}; }, "-1 EINTR, handlers ran 1");
  same([] {
    return interruption{[] {
      pipe_ends p;
      pollfd one{p.fds[0], POLLIN, 0};
      timespec limit{100, 0};
      return outcome(ppoll(&one, 1, &limit, nullptr));
    }, to_thread, {}};
  }, "-1 EINTR, handlers ran 1");
  same([] {
    return interruption{[] {
      pipe_ends p;
      fd_set in;
      FD_ZERO(&in);
      FD_SET(p.fds[0], &in);
      timeval limit{100, 0};
      return outcome(select(p.fds[0] + 1, &in, nullptr, nullptr, &limit));
    }, to_thread, {}};
  }, "-1 EINTR, handlers ran 1");
}

TEST_CASE("the handler hears who sent what, and its mask holds while it runs") {
  install(SIGUSR1, 0, true);
  same([] {
    return interruption{[] {
      pause();
      return std::to_string(heard.number == SIGUSR1 && heard.code == SI_QUEUE && heard.pid == getpid() && heard.value == 42) +
             std::to_string(heard.self_blocked) + std::to_string(heard.other_blocked);
    }, [](pthread_t t) { pthread_sigqueue(t, SIGUSR1, {.sival_int = 42}); }, {}};
  }, "111, handlers ran 1");
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  CHECK(sigismember(&now, SIGUSR1) == 0);
  CHECK(sigismember(&now, SIGUSR2) == 0);
  install(SIGUSR1, SA_NODEFER);
  same([] {
    return interruption{[] {
      pause();
      return std::to_string(heard.self_blocked) + std::to_string(heard.other_blocked);
    }, to_thread, {}};
  }, "00, handlers ran 1");
}

TEST_CASE("SA_RESETHAND serves once; sigaction tells the program's own action") {
  same([] {
    install(SIGUSR1, SA_RESETHAND);
    return interruption{[] {
      struct sigaction before {}, after {};
      sigaction(SIGUSR1, nullptr, &before);
      pause();
      sigaction(SIGUSR1, nullptr, &after);
      return std::to_string(before.sa_sigaction == listen_handler) + std::to_string((before.sa_flags & SA_RESTART) == 0) +
             std::to_string(after.sa_handler == SIG_DFL);
    }, to_thread, {}};
  }, "111, handlers ran 1");
}

namespace {

sigjmp_buf back;
void jump(int) {
  heard.runs += 1;
  siglongjmp(back, 1);
}

}  // namespace

TEST_CASE("a handler may leave a call by siglongjmp, and the next calls go on as ever") {
  struct sigaction action {};
  action.sa_handler = jump;
  auto p = std::make_shared<pipe_ends>();
  sigaction(SIGUSR1, &action, nullptr);
  same([p] {
    return interruption{[p] {
      if (sigsetjmp(back, 1) == 0) {
        read_one(p->fds[0]);
        return std::string("read");
      }
      return read_one(p->fds[0]);
    }, to_thread, [p] { write(p->fds[1], "y", 1); }};
  }, "1y, handlers ran 1");
}

TEST_CASE("a signal to the process while a fiber computes runs the handler at once, and ends the parked call") {
  const active weft_is;
  install(SIGUSR1, 0);
  heard.runs = 0;
  pipe_ends p;
  auto waiting = weft::spawn([&] { return read_one(p.fds[0]); });
  weft::this_fiber::yield();
  kill(getpid(), SIGUSR1);
  CHECK(heard.runs == 1);
  CHECK(waiting.get() == "-1 EINTR");
  CHECK(heard.runs == 1);
}

TEST_CASE("of several parked calls main's is the one that a signal ends") {
  const active weft_is;
  install(SIGUSR1, 0);
  heard.runs = 0;
  pipe_ends p, q;
  auto waiting = weft::spawn([&] { return read_one(p.fds[0]); });
  std::thread sender([main = pthread_self(), tid = syscall(SYS_gettid)] {
    wait_asleep(tid);
    pthread_kill(main, SIGUSR1);
  });
  CHECK(read_one(q.fds[0]) == "-1 EINTR");
  sender.join();
  CHECK(heard.runs == 1);
  CHECK_FALSE(waiting.done());
  write(p.fds[1], "z", 1);
  CHECK(waiting.get() == "1z");
}

TEST_CASE("with nobody in a call the handler runs where the hub polls") {
  const active weft_is;
  install(SIGUSR1, 0);
  heard.runs = 0;
  std::thread sender([main = pthread_self(), tid = syscall(SYS_gettid)] {
    wait_asleep(tid);
    pthread_kill(main, SIGUSR1);
  });
  weft::this_fiber::sleep_for(std::chrono::milliseconds(300));
  sender.join();
  CHECK(heard.runs == 1);
}

namespace {

std::atomic<long> storm_heard{0};
void count_storm(int, siginfo_t* info, void*) { storm_heard += info->si_value.sival_int; }

// As careful programs do it.
template <class Call>
ssize_t persist(Call call) {
  for (;;)
    if (const ssize_t n = call(); n >= 0 || errno != EINTR) return n;
}

}  // namespace

TEST_CASE("under a storm of signals no byte and no signal is lost") {
  const active weft_is;
  for (const int flags : {0, SA_RESTART}) {
    CAPTURE(flags);
    struct sigaction action {};
    action.sa_sigaction = count_storm;
    action.sa_flags = SA_SIGINFO | flags;
    sigaction(SIGRTMIN, &action, nullptr);
    storm_heard = 0;
    constexpr int rounds = 300, pairs = 4, signals = 1500;
    std::vector<weft::fiber<long>> all;
    std::vector<std::unique_ptr<pipe_ends>> pipes;
    for (int k = 0; k < pairs; ++k) {
      pipes.push_back(std::make_unique<pipe_ends>());
      pipes.push_back(std::make_unique<pipe_ends>());
      pipe_ends &there = *pipes[pipes.size() - 2], &back = *pipes.back();
      all.push_back(weft::spawn([&, k] {
        long sum = 0;
        for (int i = 0; i < rounds; ++i) {
          const char c = static_cast<char>(i % 100);
          char answer = -1;
          if (persist([&] { return write(there.fds[1], &c, 1); }) != 1) return -1L;
          if (k % 2 == 0) {
            pollfd one{back.fds[0], POLLIN, 0};
            persist([&] { return poll(&one, 1, 100'000); });
          }
          if (persist([&] { return read(back.fds[0], &answer, 1); }) != 1) return -2L;
          sum += answer;
          if (i % 16 == 0) usleep(100);
        }
        return sum;
      }));
      all.push_back(weft::spawn([&] {
        for (int i = 0; i < rounds; ++i) {
          char c;
          if (persist([&] { return read(there.fds[0], &c, 1); }) != 1) return -3L;
          if (persist([&] { return write(back.fds[1], &c, 1); }) != 1) return -4L;
        }
        return 0L;
      }));
    }
    std::atomic<bool> over{false};
    std::thread sender([&, main = pthread_self()] {
      sigset_t everything;
      sigfillset(&everything);
      pthread_sigmask(SIG_SETMASK, &everything, nullptr);
      for (int i = 0; i < signals; ++i) {
        while (i % 2 == 0 ? pthread_sigqueue(main, SIGRTMIN, {.sival_int = 1}) != 0 : sigqueue(getpid(), SIGRTMIN, {.sival_int = 1}) != 0)
          usleep(500);
        if (i % 8 == 0) usleep(50);
      }
      over = true;
    });
    long expected = 0;
    for (int i = 0; i < rounds; ++i) expected += i % 100;
    for (std::size_t k = 0; k < all.size(); ++k) CHECK(all[k].get() == (k % 2 == 0 ? expected : 0));
    while (!over) persist([] { return usleep(1000); });
    sender.join();
    for (int k = 0; k < 20'000 && storm_heard != signals; ++k) weft::this_fiber::sleep_for(std::chrono::milliseconds(1));
    CHECK(storm_heard == signals);
  }
}
