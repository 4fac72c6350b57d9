// Functions that are called when a fiber is over, taken back: link_handle.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/reports.hpp"
#include "weft/async.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

TEST_CASE("a link that was taken back is not called, the others are, in their order") {
  weft::testing::virtual_clock clock;
  std::vector<int> order;
  auto f = weft::spawn([] { sleep_for(1s); });
  std::vector<weft::link_handle> links;
  for (int i = 0; i < 5; ++i) links.push_back(f.link([&order, i](weft::any_fiber) { order.push_back(i); }));
  const weft::link_handle copy = links[3];
  CHECK(links[1].active());
  CHECK(links[1].cancel());
  CHECK_FALSE(links[1].active());
  CHECK_FALSE(links[1].cancel());
  CHECK(links[3].cancel());
  CHECK_FALSE(copy.active());
  sleep_for(2s);
  CHECK(order == std::vector{0, 2, 4});
  CHECK_FALSE(links[0].active());
  CHECK_FALSE(links[0].cancel());
  CHECK_FALSE(weft::link_handle().active());
  CHECK_FALSE(weft::link_handle().cancel());
}

TEST_CASE("what a link captured goes when it is taken back, and with it its reference to the fiber") {
  auto captured = std::make_shared<int>(1);
  auto f = weft::spawn([] { return 1; });
  weft::link_handle h = f.link([captured](weft::any_fiber) { FAIL_CHECK("it was called"); });
  CHECK(captured.use_count() == 2);
  CHECK(h.cancel());
  CHECK(captured.use_count() == 1);
  CHECK(f.get() == 1);
  // One whose destructor takes back another one, and drops the last handle.
  weft::link_handle second;
  struct takes_back {
    weft::link_handle* other;
    ~takes_back() {
      if (other != nullptr) other->cancel();
    }
  };
  auto g = std::make_unique<weft::fiber<>>(weft::spawn([] {}));
  auto last = std::make_shared<takes_back>(takes_back{&second});
  h = g->link([last, kept = captured](weft::any_fiber) { FAIL_CHECK("it was called"); });
  second = g->link([](weft::any_fiber) { FAIL_CHECK("it was called"); });
  last.reset();
  g.reset();
  CHECK(h.cancel());
  CHECK_FALSE(second.active());
  CHECK(captured.use_count() == 1);
  weft::testing::wait_all_blocked();
}

TEST_CASE("a link is taken back between the fiber's end and its own turn") {
  weft::testing::virtual_clock clock;
  bool called = false;
  weft::link_handle h;
  auto f = weft::spawn([] { sleep_for(1s); });
  // Joins before the link is there, and so hears of the end before it.
  auto joiner = weft::spawn([&] {
    f.join();
    CHECK(h.active());
    CHECK(h.cancel());
  });
  weft::this_fiber::yield();
  h = f.link([&](weft::any_fiber) { called = true; });
  joiner.get();
  sleep_for(1s);
  CHECK_FALSE(called);
  // One that is added after the end.
  h = f.link([&](weft::any_fiber) { called = true; });
  CHECK(h.active());
  CHECK(h.cancel());
  weft::testing::wait_all_blocked();
  CHECK_FALSE(called);
}

TEST_CASE("a dropped handle does not take the link back; in the call itself there is nothing to take back") {
  int calls = 0;
  weft::link_handle h;
  auto f = weft::spawn([] {});
  {
    auto dropped = f.link([&](weft::any_fiber) { ++calls; });
  }
  h = f.link([&](weft::any_fiber over) {
    CHECK(over == f);
    CHECK_FALSE(h.active());
    CHECK_FALSE(h.cancel());
    ++calls;
  });
  weft::testing::wait_all_blocked();
  CHECK(calls == 2);
}

TEST_CASE("a failure counts as seen when a link was called, not when the link was taken back") {
  const reports told;
  weft::spawn([] { throw std::runtime_error("heard"); }).link([](weft::any_fiber) {});
  weft::testing::wait_all_blocked();
  CHECK(told.texts.empty());
  weft::spawn([] { throw std::runtime_error("unheard"); }).link([](weft::any_fiber) {}).cancel();
  weft::testing::wait_all_blocked();
  REQUIRE(told.texts.size() == 1);
  CHECK(told.texts[0].find("unheard") != std::string::npos);
}

TEST_CASE("links of tasks, and coroutines as links, are taken back alike") {
  weft::testing::virtual_clock clock;
  std::vector<int> order;
  auto f = weft::spawn(weft::async::sleep_for(1s));
  const auto link = [&](int n) {
    return f.link([&order, n](weft::any_fiber) -> weft::task<> {
      co_await weft::async::sleep_for(1s);
      order.push_back(n);
    });
  };
  link(1);
  CHECK(link(2).cancel());
  auto begun = link(3);
  sleep_for(1500ms);
  CHECK_FALSE(begun.cancel());  // it waits in its second
  sleep_for(1s);
  CHECK(order == std::vector{1, 3});
}

TEST_CASE("a link belongs to its fiber's OS thread, wherever its handle goes") {
  auto f = weft::spawn([] { sleep_for(1h); });
  bool called = false;
  weft::link_handle h = f.link([&](weft::any_fiber) { called = true; });
  std::thread([&] {
    CHECK_THROWS_AS(f.link([](weft::any_fiber) {}), weft::wrong_hub);
    weft::link_handle copy = h;
    CHECK(copy.active());
    CHECK_THROWS_AS(copy.cancel(), weft::wrong_hub);
  }).join();
  f.kill();
  weft::testing::wait_all_blocked();
  CHECK(called);
  std::thread([last = std::move(h)]() mutable { CHECK_FALSE(last.cancel()); }).join();
  CHECK_THROWS_AS(weft::any_fiber().link([](weft::any_fiber) {}), weft::no_fiber);
  CHECK_THROWS_AS(f.link(std::function<void(weft::any_fiber)>()), std::bad_function_call);
}
