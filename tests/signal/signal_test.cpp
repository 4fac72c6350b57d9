// signal_wait, signal_receiver and on_signal. Signals are raised by the test itself, which makes their arrival certain.
#include <doctest/doctest.h>

#include <csignal>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "child.hpp"
#include "weft/async.hpp"
#include "weft/cancel.hpp"
#include "weft/event.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/signal.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;

namespace {

int own_handler_calls = 0;
void own_handler(int) { ++own_handler_calls; }

// What stands behind a signal now.
std::string disposition(int number) {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  return now.sa_handler == SIG_DFL ? "default" : now.sa_handler == own_handler ? "the program's" : "Weft's";
}

}  // namespace

TEST_CASE("signal_wait parks until the signal arrives") {
  auto f = weft::spawn([] { return weft::signal_wait(SIGUSR1); });
  weft::this_fiber::yield();
  CHECK(!f.done());
  raise(SIGUSR1);
  CHECK(f.get() == SIGUSR1);
}

TEST_CASE("a wait for several signals tells which one came") {
  auto f = weft::spawn([] { return weft::signal_wait({SIGUSR1, SIGUSR2}); });
  weft::this_fiber::yield();
  raise(SIGUSR2);
  CHECK(f.get() == SIGUSR2);
}

TEST_CASE("everybody who waits for a signal hears of it") {
  auto a = weft::spawn([] { return weft::signal_wait(SIGUSR1); });
  auto b = weft::spawn([] { return weft::signal_wait({SIGUSR1, SIGHUP}); });
  weft::this_fiber::yield();
  raise(SIGUSR1);
  CHECK(a.get() == SIGUSR1);
  CHECK(b.get() == SIGUSR1);
}

TEST_CASE("the disposition is put back when the last listener goes") {
  const auto before = std::signal(SIGUSR1, own_handler);
  {
    weft::signal_receiver one(SIGUSR1);
    CHECK(disposition(SIGUSR1) == "Weft\'s");
    {
      weft::signal_receiver two({SIGUSR1, SIGUSR2});
    }
    CHECK(disposition(SIGUSR1) == "Weft\'s");
    CHECK(disposition(SIGUSR2) == "default");
  }
  CHECK(disposition(SIGUSR1) == "the program\'s");
  std::signal(SIGUSR1, before);
}

TEST_CASE("a handler that the program sets meanwhile stays") {
  {
    weft::signal_receiver r(SIGUSR1);
    std::signal(SIGUSR1, own_handler);
  }
  CHECK(disposition(SIGUSR1) == "the program\'s");
  std::signal(SIGUSR1, SIG_DFL);
}

TEST_CASE("a receiver keeps what arrives between two waits, once for each signal") {
  weft::signal_receiver r({SIGUSR1, SIGUSR2});
  CHECK(!r.try_wait());
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  weft::this_fiber::yield();
  weft::testing::wait_all_blocked();
  CHECK(r.wait() == SIGUSR1);
  CHECK(r.wait() == SIGUSR2);
  CHECK(!r.try_wait());
}

TEST_CASE("each arrival wakes the fiber that has waited longest at a receiver") {
  weft::signal_receiver r(SIGUSR1);
  std::vector<int> order;
  const auto wait = [&](int who) {
    r.wait();
    order.push_back(who);
  };
  std::vector<weft::fiber<>> fibers{weft::spawn(wait, 1), weft::spawn(wait, 2)};
  weft::this_fiber::yield();
  raise(SIGUSR1);
  fibers[0].join();
  CHECK(order == std::vector{1});
  raise(SIGUSR1);
  weft::joinall(fibers);
  CHECK(order == std::vector{1, 2});
}

TEST_CASE("a timed wait comes back empty, also on the virtual clock") {
  weft::testing::virtual_clock clock;
  CHECK(!weft::signal_wait_for(SIGUSR1, 1h));
  CHECK(clock.elapsed() == 1h);
  auto f = weft::spawn([] { return weft::signal_wait_for({SIGUSR1, SIGUSR2}, 1h); });
  weft::this_fiber::yield();
  raise(SIGUSR1);
  CHECK(f.get() == SIGUSR1);
}

TEST_CASE("a cancelled wait listens no longer") {
  auto f = weft::spawn([] { weft::signal_wait(SIGUSR1); });
  weft::this_fiber::yield();
  CHECK(disposition(SIGUSR1) == "Weft\'s");
  f.kill();
  CHECK(f.was_cancelled());
  CHECK(disposition(SIGUSR1) == "default");
}

TEST_CASE("what nobody took is raised again for the disposition of before") {
  std::signal(SIGUSR1, own_handler);
  own_handler_calls = 0;
  {
    weft::signal_receiver r(SIGUSR1);
    raise(SIGUSR1);
    weft::testing::wait_all_blocked();
    CHECK(own_handler_calls == 0);
  }
  CHECK(own_handler_calls == 1);
  {
    // This one has not even come to the receiver when it goes.
    weft::signal_receiver r(SIGUSR1);
    raise(SIGUSR1);
  }
  weft::testing::wait_all_blocked();
  CHECK(own_handler_calls == 2);
  std::signal(SIGUSR1, SIG_DFL);
}

TEST_CASE("on_signal calls the function in a fiber of its own each time, until it is cancelled") {
  int calls = 0;
  std::string name;
  weft::event called;
  weft::signal_handle h = weft::on_signal(SIGUSR1, [&](int number) {
    CHECK(number == SIGUSR1);
    weft::this_fiber::yield();
    name = weft::this_fiber::current().name();
    ++calls;
    called.set();
  });
  CHECK(h.active());
  for (int i = 1; i <= 3; ++i) {
    raise(SIGUSR1);
    called.wait();
    called.clear();
    CHECK(calls == i);
  }
  CHECK(name == "on_signal");
  CHECK(h.cancel());
  CHECK(!h.active());
  CHECK(!h.cancel());
  CHECK(disposition(SIGUSR1) == "default");
}

TEST_CASE("a dropped handle does not remove the function, and one without argument will do") {
  int calls = 0;
  weft::event called;
  weft::signal_handle copy;
  {
    weft::signal_handle h = weft::on_signal(SIGUSR1, [&] {
      ++calls;
      called.set();
    });
    copy = h;
  }
  raise(SIGUSR1);
  called.wait();
  CHECK(calls == 1);
  CHECK(copy.cancel());
  CHECK(!weft::signal_handle().active());
}

TEST_CASE("a function may cancel itself, and what it captured goes with it") {
  auto captured = std::make_shared<int>(0);
  weft::signal_handle h;
  weft::event called;
  h = weft::on_signal(SIGUSR1, [&, captured] {
    h.cancel();
    h = {};
    ++*captured;
    called.set();
  });
  raise(SIGUSR1);
  called.wait();
  weft::testing::wait_all_blocked();
  CHECK(*captured == 1);
  CHECK(captured.use_count() == 1);
}

TEST_CASE("a coroutine that is called on a signal is run to its end, with the number or without; what it throws is reported") {
  namespace async = weft::async;
  weft::event called;
  int number = 0, calls = 0;
  std::string text;
  weft::on_error([&](const weft::unobserved_failure& f) { text = f.text; });
  weft::signal_handle with = weft::on_signal(SIGUSR1, [&](int n) -> weft::task<> {
    co_await async::yield();
    number = n;
    co_await async::sleep_for(1us);
    called.set();
  });
  raise(SIGUSR1);
  called.wait();
  CHECK(number == SIGUSR1);
  with.cancel();
  called.clear();
  // What a call refers to lives until it is over, also when the function is taken away meanwhile.
  weft::signal_handle without;
  without = weft::on_signal(SIGUSR1, [&, kept = std::make_shared<int>(2)]() -> weft::task<> {
    without.cancel();
    without = {};
    co_await async::yield();
    calls += *kept;
    called.set();
    throw std::runtime_error("from a coroutine");
  });
  raise(SIGUSR1);
  called.wait();
  weft::testing::wait_all_blocked();
  CHECK(calls == 2);
  CHECK(text == "std::runtime_error: from a coroutine");
  CHECK(disposition(SIGUSR1) == "default");
  weft::on_error({});
}

TEST_CASE("functions and waits hear of the same signal") {
  int calls = 0;
  weft::signal_handle first = weft::on_signal(SIGUSR1, [&] { calls = calls * 10 + 1; });
  weft::signal_handle second = weft::on_signal(SIGUSR1, [&] { calls = calls * 10 + 2; });
  auto f = weft::spawn([] { return weft::signal_wait(SIGUSR1); });
  weft::this_fiber::yield();
  raise(SIGUSR1);
  CHECK(f.get() == SIGUSR1);
  weft::testing::wait_all_blocked();
  CHECK(calls == 12);
  first.cancel();
  second.cancel();
}

TEST_CASE("what a function throws is reported") {
  std::string text;
  weft::on_error([&](const weft::unobserved_failure& f) { text = std::string(f.fiber_name) + ": " + std::string(f.text); });
  weft::signal_handle h = weft::on_signal(SIGUSR1, [] { throw std::runtime_error("no"); });
  raise(SIGUSR1);
  weft::testing::wait_all_blocked();
  CHECK(text == "on_signal: std::runtime_error: no");
  h.cancel();
  weft::on_error({});
}

TEST_CASE("every hub that waits is told, whichever thread the kernel chose") {
  weft::event ready;
  int there = 0;
  std::thread other([&, home = weft::this_hub()] {
    weft::signal_receiver r(SIGUSR1);
    home.post([&] { ready.set(); });
    there = r.wait();
  });
  weft::signal_receiver r(SIGUSR1);
  ready.wait();
  kill(getpid(), SIGUSR1);
  CHECK(r.wait() == SIGUSR1);
  other.join();
  CHECK(there == SIGUSR1);
}

// ThreadSanitizer holds a signal from outside back until the next call it intercepts, and the hub's system calls are its own.
#ifdef __SANITIZE_THREAD__
constexpr bool signals_are_late = true;
#else
constexpr bool signals_are_late = false;
#endif

TEST_CASE("waiting for a signal is no deadlock" * doctest::skip(signals_are_late)) {
  // The only other thread is a child process's: nothing here but the signal can wake main.
  const pid_t parent = getpid();
  weft::signal_receiver r(SIGUSR1);
  const pid_t child = fork();
  if (child == 0) {
    kill(parent, SIGUSR1);
    _exit(0);
  }
  CHECK(r.wait() == SIGUSR1);
  waitpid(child, nullptr, 0);
}

TEST_CASE("signals that cannot be listened to are EINVAL") {
  for (const int number : {0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    CAPTURE(number);
    try {
      weft::signal_wait({SIGUSR1, number});
      FAIL("it waited");
    } catch (const std::system_error& e) {
      CHECK(e.code().value() == EINVAL);
    }
    CHECK_THROWS_AS(weft::on_signal(number, [] {}), std::system_error);
  }
  CHECK(disposition(SIGUSR1) == "default");
}
