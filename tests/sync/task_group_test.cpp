// What weft::task_group promises: no child outlives it, the first failure stops and is thrown, the others are kept.
#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/event.hpp>
#include <weft/fiber.hpp>
#include <weft/hub.hpp>
#include <weft/task_group.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {

std::string text_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

void fail_after_sleep(std::chrono::seconds d, const char* what) {
  sleep_for(d);
  throw std::runtime_error(what);
}

}  // namespace

TEST_CASE("join waits for all children, those that children add included; their results are had from their handles") {
  weft::testing::virtual_clock clock;
  weft::task_group g;
  auto a = g.spawn([] {
    sleep_for(1s);
    return 1;
  });
  int late = 0;
  g.spawn([&] {
    sleep_for(2s);
    g.spawn([&] {
      sleep_for(2s);
      late = 4;
    });
  });
  CHECK(g.size() == 2);
  g.join();
  CHECK(clock.elapsed() == 4s);
  CHECK(a.get() == 1);
  CHECK(late == 4);
  CHECK(g.size() == 0);
  CHECK(g.errors().empty());
}

TEST_CASE("the first failure cancels the siblings; when all are over it is thrown, the others are in errors()") {
  weft::testing::virtual_clock clock;
  weft::task_group g;
  auto sleeper = g.spawn([] { sleep_for(1h); });
  g.spawn([] {
    try {
      sleep_for(1h);
    } catch (const weft::cancelled&) {
      weft::shield([] { sleep_for(3s); });
      throw std::runtime_error("while stopping");
    }
  });
  g.spawn(fail_after_sleep, 1s, "first");
  CHECK_THROWS_WITH_AS(g.join(), "first", std::runtime_error);
  CHECK(clock.elapsed() == 4s);
  CHECK(sleeper.was_cancelled());
  REQUIRE(g.errors().size() == 1);
  CHECK(text_of(g.errors()[0]) == "while stopping");
  g.join();  // thrown once
}

TEST_CASE("a child that is cancelled by itself is no failure") {
  weft::testing::virtual_clock clock;
  weft::task_group g;
  auto a = g.spawn([] { sleep_for(1h); });
  auto b = g.spawn([] { sleep_for(1s); });
  auto never_begun = g.spawn([] { FAIL("it began"); });
  never_begun.cancel();
  weft::this_fiber::yield();
  a.cancel();
  g.join();
  CHECK(b.successful());
  CHECK(never_begun.was_cancelled());
  CHECK_FALSE(g.cancel_called());
}

TEST_CASE("cancel() ends all children, and those that come later before they begin") {
  weft::testing::virtual_clock clock;
  weft::task_group g;
  auto a = g.spawn([] { sleep_for(1h); });
  weft::this_fiber::yield();
  g.cancel();
  auto b = g.spawn([] { FAIL("it began"); });
  g.join();
  CHECK(a.was_cancelled());
  CHECK(b.was_cancelled());
  CHECK(clock.elapsed() == 0s);
}

TEST_CASE("cancellation of the host cancels the children, waits for them, and goes on") {
  weft::testing::virtual_clock clock;
  bool cleaned = false;
  const bool finished = weft::move_on_after(1s, [&] {
    weft::task_group g;
    g.spawn([&] {
      try {
        sleep_for(1h);
      } catch (const weft::cancelled&) {
        weft::shield([] { sleep_for(2s); });
        cleaned = true;
        throw;
      }
    });
    g.join();
    FAIL("join returned");
  });
  CHECK_FALSE(finished);
  CHECK(cleaned);
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("a failure during the host's cancellation is thrown, as asyncio does") {
  weft::testing::virtual_clock clock;
  CHECK_THROWS_WITH(weft::move_on_after(1s,
                                        [&] {
                                          weft::task_group g;
                                          g.spawn([&] {
                                            try {
                                              sleep_for(1h);
                                            } catch (const weft::cancelled&) {
                                              throw std::runtime_error("clean-up failed");
                                            }
                                          });
                                          g.join();
                                        }),
                    "clean-up failed");
}

TEST_CASE("run: a child's failure stops the body, a body's failure stops the children") {
  weft::testing::virtual_clock clock;
  SUBCASE("child") {
    weft::task_group g;
    CHECK_THROWS_WITH(g.run([&] {
      g.spawn(fail_after_sleep, 1s, "child");
      sleep_for(1h);
      FAIL("the body went on");
    }),
                      "child");
    CHECK(clock.elapsed() == 1s);
    CHECK(g.errors().empty());
  }
  SUBCASE("body") {
    weft::task_group g;
    weft::fiber<> child;
    CHECK_THROWS_WITH(g.run([&](weft::task_group& same) {
      child = same.spawn([] { sleep_for(1h); });
      sleep_for(1s);
      throw std::runtime_error("body");
    }),
                      "body");
    CHECK(child.was_cancelled());
  }
  SUBCASE("body, after a child") {
    weft::task_group g;
    CHECK_THROWS_WITH(g.run([&] {
      g.spawn(fail_after_sleep, 1s, "child");
      try {
        sleep_for(1h);
      } catch (const weft::cancelled&) {
        throw std::runtime_error("body");
      }
    }),
                      "child");
    REQUIRE(g.errors().size() == 1);
    CHECK(text_of(g.errors()[0]) == "body");
  }
  SUBCASE("cancel") {
    weft::task_group g;
    g.run([&] {
      g.spawn([&] {
        sleep_for(1s);
        g.cancel();
      });
      sleep_for(1h);
      FAIL("the body went on");
    });
    CHECK(clock.elapsed() == 1s);
  }
}

TEST_CASE("groups nest: a failure inside ends the inner group, then the outer one") {
  weft::testing::virtual_clock clock;
  weft::task_group outer;
  auto sibling = outer.spawn([] { sleep_for(1h); });
  weft::fiber<> cousin;
  outer.spawn([&] {
    weft::task_group inner;
    cousin = inner.spawn([] { sleep_for(1h); });
    inner.spawn(fail_after_sleep, 1s, "inner");
    inner.join();
  });
  CHECK_THROWS_WITH(outer.join(), "inner");
  CHECK(sibling.was_cancelled());
  CHECK(cousin.was_cancelled());
  CHECK(outer.errors().empty());
}

TEST_CASE("a group that goes out of scope cancels and joins its children, also while the stack unwinds") {
  weft::testing::virtual_clock clock;
  bool cleaned = false;
  const auto body = [&](bool throws) {
    weft::task_group g;
    g.spawn([&] {
      try {
        sleep_for(1h);
      } catch (const weft::cancelled&) {
        weft::shield([] { sleep_for(1s); });
        cleaned = true;
        throw;
      }
    });
    weft::this_fiber::yield();
    if (throws) throw std::runtime_error("leaving");
  };
  body(false);
  CHECK(cleaned);
  cleaned = false;
  CHECK_THROWS_WITH(body(true), "leaving");
  CHECK(cleaned);
}

TEST_CASE("failures of a group that was never joined are reported, those of a joined one are not") {
  std::vector<std::string> reported;
  weft::on_error([&](const weft::unobserved_failure& f) { reported.emplace_back(f.text); });
  {
    weft::task_group g;
    g.spawn([] { throw std::runtime_error("joined"); });
    g.spawn([] { throw std::runtime_error("joined, too"); });
    CHECK_THROWS(g.join());
  }
  CHECK(reported.empty());
  {
    weft::task_group g;
    g.spawn([] { throw std::runtime_error("forgotten"); });
    weft::this_fiber::yield();
  }
  weft::on_error({});
  REQUIRE(reported.size() == 1);
  CHECK(reported[0].find("forgotten") != std::string::npos);
}

TEST_CASE("a group used on another OS thread throws wrong_hub") {
  weft::task_group g;
  std::thread([&] {
    CHECK_THROWS_AS(g.spawn([] {}), weft::wrong_hub);
    CHECK_THROWS_AS(g.join(), weft::wrong_hub);
    CHECK_THROWS_AS(g.cancel(), weft::wrong_hub);
  }).join();
}
