// Cancellation of whole fibers: when it is delivered, that it is sticky, and what it leaves alone.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {
struct at_exit {
  std::function<void()> fn;
  ~at_exit() { fn(); }
};
}  // namespace

TEST_CASE("a fiber cancelled before it begins never does, and its captures die") {
  bool ran = false, captured_died = false;
  auto f = weft::spawn([&ran, guard = std::make_shared<at_exit>(at_exit{[&] { captured_died = true; }})] { ran = true; });
  f.cancel();
  CHECK_FALSE(f.done());
  f.join();
  CHECK_FALSE(ran);
  CHECK(captured_died);
  CHECK(f.was_cancelled());
}

TEST_CASE("a parked fiber that is cancelled unwinds with weft::cancelled, through its destructors") {
  bool unwound = false, caught_as_std = false;
  auto f = weft::spawn([&] {
    at_exit e{[&] { unwound = true; }};
    try {
      sleep_for(1h);
    } catch (const std::exception&) {
      caught_as_std = true;
    }
  });
  weft::this_fiber::yield();
  f.cancel();
  CHECK_FALSE(unwound);  // cancel does not switch
  f.join();
  CHECK(unwound);
  CHECK_FALSE(caught_as_std);
  CHECK(f.was_cancelled());
}

TEST_CASE("a ready fiber that is cancelled sees it at its next park, not before") {
  int steps = 0;
  weft::fiber<> f = weft::spawn([&] {
    weft::this_fiber::yield();
    ++steps;
    sleep_for(1h);
    ++steps;
  });
  weft::this_fiber::yield();
  f.cancel();  // it is in the ready queue: yield is a park point and throws
  f.join();
  CHECK(steps == 0);
  CHECK(f.was_cancelled());
}

TEST_CASE("a fiber that cancels itself goes on to its next park point") {
  int steps = 0;
  auto f = weft::spawn([&] {
    weft::this_fiber::current().cancel();
    ++steps;
    weft::this_fiber::checkpoint();
    ++steps;
  });
  f.join();
  CHECK(steps == 1);
  CHECK(f.was_cancelled());
}

TEST_CASE("a fiber that kills itself gets cancelled at once") {
  int steps = 0;
  auto f = weft::spawn([&] {
    ++steps;
    weft::this_fiber::current().kill();
    ++steps;
  });
  f.join();
  CHECK(steps == 1);
  CHECK(f.was_cancelled());
}

TEST_CASE("cancellation is sticky: swallowed, it is thrown again at every park") {
  int swallowed = 0;
  auto f = weft::spawn([&] {
    for (int i = 0; i < 3; ++i) try {
        if (i == 0) sleep_for(1h);
        if (i == 1) weft::this_fiber::yield();
        if (i == 2) weft::spawn([] {}).join();
      } catch (const weft::cancelled&) {
        ++swallowed;
      }
    return 9;
  });
  weft::this_fiber::yield();
  f.cancel();
  CHECK(f.get() == 9);  // it insisted on a value
  CHECK(swallowed == 3);
  CHECK(f.successful());
}

TEST_CASE("every waiting call of a cancelled fiber throws, also one that need not wait") {
  auto over = weft::spawn([] {});
  over.join();
  std::vector<std::string> thrown;
  auto f = weft::spawn([&] {
    weft::this_fiber::current().cancel();
    const auto expect = [&](const char* what, auto fn) {
      try { fn(); } catch (const weft::cancelled&) { thrown.push_back(what); }
    };
    expect("sleep", [] { sleep_for(1s); });
    expect("sleep 0", [] { sleep_for(0s); });
    expect("yield", [] { weft::this_fiber::yield(); });
    expect("join done", [&] { over.join(); });
    expect("join_for done", [&] { over.join_for(1s); });
    expect("joinall done", [&] { weft::joinall(std::vector<weft::any_fiber>{over}); });
    expect("joinall none", [&] { weft::joinall(std::vector<weft::any_fiber>{}); });
  });
  f.join();
  CHECK(thrown.size() == 7);
}

TEST_CASE("kill waits until the fiber is over, clean-up that parks included") {
  weft::testing::virtual_clock clock;
  bool cleaned = false;
  auto f = weft::spawn([&] {
    at_exit e{[&] {
      sleep_for(3s);
      cleaned = true;
    }};
    sleep_for(1h);
  });
  weft::this_fiber::yield();
  f.kill();
  CHECK(cleaned);
  CHECK(clock.elapsed() == 3s);
  f.kill();  // over already
}

TEST_CASE("what parks in a destructor during unwinding is let finish, however often it parks or is cancelled again") {
  weft::testing::virtual_clock clock;
  int naps = 0;
  auto f = weft::spawn([&] {
    at_exit e{[&] {
      for (int i = 0; i < 3; ++i) {
        sleep_for(1s);
        weft::this_fiber::yield();
        ++naps;
      }
    }};
    sleep_for(1h);
  });
  weft::this_fiber::yield();
  f.cancel();
  sleep_for(1500ms);
  f.cancel();
  f.join();
  CHECK(naps == 3);
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("clean-up during unwinding can still bound itself by a timeout of its own") {
  weft::testing::virtual_clock clock;
  bool bounded = false;
  auto f = weft::spawn([&] {
    at_exit e{[&] { bounded = !weft::move_on_after(2s, [] { sleep_for(1h); }); }};
    sleep_for(1h);
  });
  weft::this_fiber::yield();
  f.kill();
  CHECK(bounded);
  CHECK(clock.elapsed() == 2s);
}

TEST_CASE("captures of a fiber that never begins may park in their destructors") {
  weft::testing::virtual_clock clock;
  bool cleaned = false;
  struct slow {
    bool* cleaned;
    explicit slow(bool* c) : cleaned(c) {}
    slow(slow&& o) noexcept : cleaned(std::exchange(o.cleaned, nullptr)) {}
    ~slow() {
      if (cleaned == nullptr) return;
      sleep_for(1s);
      *cleaned = true;
    }
  };
  auto f = weft::spawn([s = slow(&cleaned)] {});
  f.kill();
  CHECK(cleaned);
  CHECK(clock.elapsed() == 1s);
}

TEST_CASE("cancelling a fiber that is over changes nothing") {
  auto f = weft::spawn([] { return 4; });
  f.join();
  f.cancel();
  f.kill();
  CHECK(f.successful());
  CHECK(f.get() == 4);
}

TEST_CASE("a fiber woken and cancelled at the same moment keeps what it was given, and sees the cancellation next") {
  // The wake came first: the join returns, the next park throws.
  bool joined = false, went_on = false;
  auto ends = weft::spawn([] { weft::this_fiber::yield(); });
  auto f = weft::spawn([&] {
    ends.join();
    joined = true;
    weft::this_fiber::yield();
    went_on = true;
  });
  weft::fiber<> canceller = weft::spawn([&] {
    weft::this_fiber::yield();
    weft::this_fiber::yield();
    f.cancel();
  });
  weft::joinall(std::vector<weft::any_fiber>{ends, f, canceller});
  CHECK(joined);
  CHECK_FALSE(went_on);
  CHECK(f.was_cancelled());
}

TEST_CASE("a shield holds back cancellation of the fiber until it is left") {
  weft::testing::virtual_clock clock;
  bool finished = false, after = false;
  auto f = weft::spawn([&] {
    weft::shield([&] {
      sleep_for(5s);
      weft::this_fiber::yield();
      finished = true;
    });
    after = true;
    weft::this_fiber::checkpoint();
    after = false;
  });
  weft::this_fiber::yield();
  f.cancel();
  f.join();
  CHECK(finished);
  CHECK(after);
  CHECK(f.was_cancelled());
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("main can be cancelled like any fiber, by a scope") {
  weft::cancel_scope scope;
  auto f = weft::spawn([&] { scope.cancel(); });
  CHECK_FALSE(scope.run([] { sleep_for(1h); }));
  f.join();
}
