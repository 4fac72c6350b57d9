// Programs of fibers to be traced, one a word: play.py starts them, and reads what they leave.
#include <netdb.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "weft/testing.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

// Two fibers and main, by a clock that only moves when all of them wait: "sleeper" sleeps for 3 ms and wakes "waiter".
void clock_scene() {
  const weft::testing::virtual_clock clock;
  weft::event rings;
  auto sleeper = weft::spawn({.name = "sleeper"}, [&] {
    weft::this_fiber::sleep_for(3ms);
    rings.set();
  });
  auto waiter = weft::spawn({.name = "waiter"}, [&] {
    rings.wait();
    weft::this_fiber::yield();
  });
  sleeper.join();
  waiter.join();
}

void ping_pong(int turns) {
  weft::event ping, pong;
  auto other = weft::spawn({.name = "other \"quoted\" \xff"}, [&] {
    for (int i = 0; i < turns; ++i) {
      ping.wait();
      ping.clear();
      pong.set();
    }
  });
  for (int i = 0; i < turns; ++i) {
    ping.set();
    pong.wait();
    pong.clear();
  }
  other.join();
}

// Main's hub is woken by a fiber of another thread's.
void hubs_scene() {
  weft::event posted;
  const weft::hub home = weft::hub::current();
  std::thread thread([&] {
    weft::spawn({.name = "sender"}, [&] {
      weft::this_fiber::sleep_for(1ms);
      home.post([&] { posted.set(); });
    }).join();
  });
  posted.wait();
  thread.join();
}

// The hub stands still until the watchdog has seen who it is that computes. (It may have asked in vain: the answer takes a processor.)
void stall_scene() {
  std::atomic<int> told{0}, seen{0};
  weft::watchdog(20ms, [&](const weft::stall& s) {
    if (s.over) return;
    if (s.fiber == "worker") ++seen;
    ++told;
  });
  auto worker = weft::spawn({.name = "worker"}, [&] {
    while (seen == 0) {
      for (const int before = told; told == before;) {
      }
      weft::this_fiber::sleep_for(1ms);
    }
  });
  auto other = weft::spawn([&] { worker.join(); });
  other.join();
  weft::watchdog(0ms);
}

void resolve_scene() {
  addrinfo hints{}, *list = nullptr;
  hints.ai_family = AF_INET;
  const auto ask = [&] { return weft::getaddrinfo("a-rather-long-name.of.weft.test", "80", &hints, &list); };
  std::printf("%d\n", weft::spawn({.name = "asker"}, ask).get());
}

weft::task<void> naps(weft::event& done) {
  co_await weft::async::sleep_for(1ms);
  done.set();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view scene = argc > 1 ? argv[1] : "";
  if (scene == "clock") {
    clock_scene();
  } else if (scene == "hubs") {
    hubs_scene();
  } else if (scene == "overflow") {
    ping_pong(100'000);
  } else if (scene == "stall") {
    stall_scene();
  } else if (scene == "resolve") {
    resolve_scene();
  } else if (scene == "task") {
    weft::event done;
    auto t = weft::spawn({.name = "napper"}, naps(done));
    done.wait();
    t.join();
  } else if (scene == "stretch") {
    // The same place twice, and between the two nothing is recorded.
    ping_pong(3);
    weft::trace_start(argv[2]);
    ping_pong(4);
    weft::trace_stop();
    ping_pong(5);
    weft::trace_start(argv[3]);
    ping_pong(6);
    weft::trace_stop();
  } else if (scene == "die") {
    ping_pong(3);
    raise(std::atoi(argv[2]));
  } else if (scene == "_exit") {
    weft::patch_all();
    ping_pong(3);
    _exit(3);
  } else if (scene == "exec") {
    weft::patch_all();
    ping_pong(3);
    execl("/nowhere/at/all", "all", nullptr);
    execl("/proc/self/exe", argv[0], "clock", nullptr);
  } else if (scene == "fork") {
    ping_pong(3);
    const pid_t child = fork();
    if (child == 0) {
      ping_pong(4);
      std::exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
  } else if (scene == "kill") {
    ping_pong(3);
    raise(SIGKILL);
  } else {
    std::fprintf(stderr, "no such scene\n");
    return 2;
  }
  return 0;
}
