// pause, sigsuspend, sigwait and its kin, and signalfd in fibers: they park the fiber and take a signal once.
#include <doctest/doctest.h>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>

#include "interrupted.hpp"
#include "weft/patch.hpp"
#include "weft/testing.hpp"

using namespace weft_test;
using namespace std::chrono_literals;

namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t s;
  sigemptyset(&s);
  for (const int n : signals) sigaddset(&s, n);
  return s;
}

struct blocked {
  explicit blocked(std::initializer_list<int> signals) {
    weft::patch_all();
    REQUIRE(weft::patch_info().sites_patched > 0);
    const sigset_t s = set_of(signals);
    pthread_sigmask(SIG_BLOCK, &s, &before);
  }
  ~blocked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  sigset_t before;
};

}  // namespace

TEST_CASE("pause parks until a handler has run") {
  const blocked none({});
  install(SIGUSR1, SA_RESTART);
  heard.runs = 0;
  auto waiting = weft::spawn([] { return outcome(pause()); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  kill(getpid(), SIGUSR1);
  CHECK(waiting.get() == "-1 EINTR");
  CHECK(heard.runs == 1);
}

TEST_CASE("sigsuspend lets through what its mask lets through") {
  const blocked b({SIGUSR1});
  install(SIGUSR1, SA_RESTART);
  for (const bool pending_before : {false, true}) {
    CAPTURE(pending_before);
    heard.runs = 0;
    if (pending_before) kill(getpid(), SIGUSR1);
    auto waiting = weft::spawn([] {
      const sigset_t none = set_of({});
      return outcome(sigsuspend(&none));
    });
    weft::testing::wait_all_blocked();
    if (!pending_before) {
      CHECK_FALSE(waiting.done());
      CHECK(heard.runs == 0);
      kill(getpid(), SIGUSR1);
      CHECK(heard.runs == 0);
    }
    CHECK(waiting.get() == "-1 EINTR");
    CHECK(heard.runs == 1);
  }
}

TEST_CASE("sigwait takes the signal once, and sigwaitinfo tells who sent it") {
  const blocked b({SIGUSR1, SIGRTMIN});
  std::string said[2];
  int taken = 0;
  std::vector<weft::fiber<>> waiting;
  for (auto& words : said)
    waiting.push_back(weft::spawn([&] {
      const sigset_t s = set_of({SIGRTMIN});
      siginfo_t info{};
      const int got = sigwaitinfo(&s, &info);
      const bool right = got == SIGRTMIN && info.si_code == SI_QUEUE && info.si_pid == getpid();
      words = std::to_string(right) + std::to_string(info.si_value.sival_int);
      ++taken;
    }));
  weft::testing::wait_all_blocked();
  CHECK(taken == 0);
  sigqueue(getpid(), SIGRTMIN, {.sival_int = 1});
  weft::testing::wait_all_blocked();
  CHECK(taken == 1);
  sigqueue(getpid(), SIGRTMIN, {.sival_int = 2});
  for (auto& f : waiting) f.join();
  CHECK(((said[0] == "11" && said[1] == "12") || (said[0] == "12" && said[1] == "11")));
  auto one = weft::spawn([] {
    const sigset_t s = set_of({SIGUSR1});
    int number = 0;
    return sigwait(&s, &number) == 0 ? number : -1;
  });
  weft::testing::wait_all_blocked();
  pthread_kill(pthread_self(), SIGUSR1);
  CHECK(one.get() == SIGUSR1);
}

TEST_CASE("sigtimedwait ends with EAGAIN at its time, with EINTR after a handler, with EINVAL for a wrong time") {
  const blocked b({SIGUSR1});
  const sigset_t s = set_of({SIGUSR1});
  auto late = weft::spawn([&] {
    const timespec limit{0, 20'000'000};
    return outcome(sigtimedwait(&s, nullptr, &limit));
  });
  CHECK(late.get() == "-1 EAGAIN");
  auto wrong = weft::spawn([&] {
    const timespec limit{0, 2'000'000'000};
    return outcome(sigtimedwait(&s, nullptr, &limit));
  });
  CHECK(wrong.get() == "-1 EINVAL");
  install(SIGUSR2, SA_RESTART);
  heard.runs = 0;
  auto ended = weft::spawn([&] { return outcome(sigwaitinfo(&s, nullptr)); });
  weft::testing::wait_all_blocked();
  kill(getpid(), SIGUSR2);
  CHECK(ended.get() == "-1 EINTR");
  CHECK(heard.runs == 1);
}

TEST_CASE("a read of a signalfd parks until the signal") {
  const blocked b({SIGUSR1});
  const sigset_t s = set_of({SIGUSR1});
  const int fd = signalfd(-1, &s, SFD_CLOEXEC);
  auto waiting = weft::spawn([fd] {
    signalfd_siginfo info{};
    const ssize_t got = read(fd, &info, sizeof info);
    return got == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : -1;
  });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  kill(getpid(), SIGUSR1);
  CHECK(waiting.get() == SIGUSR1);
  close(fd);
}

TEST_CASE("the mask of ppoll, pselect and epoll_pwait lets a signal in, time after time") {
  const blocked b({SIGUSR1});
  install(SIGUSR1, SA_RESTART);
  const sigset_t none = set_of({});
  const int set = epoll_create1(EPOLL_CLOEXEC);
  for (int round = 0; round < 3; ++round)
    for (int which = 0; which < 3; ++which) {
      CAPTURE(round);
      CAPTURE(which);
      heard.runs = 0;
      auto waiting = weft::spawn([&] {
        if (which == 0) return outcome(ppoll(nullptr, 0, nullptr, &none));
        if (which == 1) return outcome(pselect(0, nullptr, nullptr, nullptr, nullptr, &none));
        epoll_event e;
        return outcome(epoll_pwait(set, &e, 1, -1, &none));
      });
      if (which == 2) {
        kill(getpid(), SIGUSR1);
      } else {
        weft::testing::wait_all_blocked();
        kill(getpid(), SIGUSR1);
      }
      CHECK(waiting.get() == "-1 EINTR");
      CHECK(heard.runs == 1);
    }
  close(set);
}
