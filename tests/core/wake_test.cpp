// Parks, wakers and lists of them, at the seam itself: exactly one waker wins, and it withdraws the wait completely.
#include <doctest/doctest.h>

#include <vector>

#include "core/hub.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using namespace weft::detail;
namespace core = weft::core;

namespace {

struct noted : wait_node {
  std::vector<int>* log;
  int number;
  noted(std::vector<int>& l, int n) : log(&l), number(n) {
    notify = [](wait_node* self) noexcept {
      auto* me = static_cast<noted*>(self);
      me->log->push_back(me->number);
    };
  }
};

std::size_t ready_count(hub& h) {
  std::size_t n = 0;
  for (fiber_base* f = h.ready_first; f != nullptr; f = f->next) ++n;
  return n;
}

// A fiber that parks once on `w`, which the test sees through `where`.
weft::fiber<wake> parks(waiter*& where, wait_list* list = nullptr, nanos after = never) {
  auto f = weft::spawn([&where, list, after] {
    hub& h = current_hub();
    waiter w("test");
    where = &w;
    if (list != nullptr) list->push_back(w);
    const wake why = park(h, w, after == never ? never : now(h) + after);
    CHECK_FALSE(w.linked());
    CHECK(w.timer.position == 0);
    return why;
  });
  weft::this_fiber::yield();
  return f;
}

}  // namespace

TEST_CASE("a wait list is first in, first out, and nodes withdraw without knowing it") {
  std::vector<int> log;
  wait_list list;
  CHECK(list.empty());
  CHECK(list.pop_front() == nullptr);
  noted a(log, 1), b(log, 2), c(log, 3);
  list.push_back(a);
  list.push_back(b);
  list.push_back(c);
  CHECK(list.front() == &a);
  CHECK(list.after(&a) == &b);
  CHECK(list.after(&c) == nullptr);
  b.unlink();
  CHECK_FALSE(b.linked());
  list.notify_all();
  CHECK((log == std::vector<int>{1, 3}));
  CHECK(list.empty());
  CHECK_FALSE(a.linked());
}

TEST_CASE("notify_all tells who was linked before it began; who links meanwhile waits for the next time") {
  struct relinks : wait_node {
    wait_list* list;
    int told = 0;
  };
  for (const std::size_t count : {1u, 2u, 5u}) {
    wait_list list;
    std::vector<relinks> nodes(count);
    for (auto& n : nodes) {
      n.list = &list;
      n.notify = [](wait_node* self) noexcept {
        auto* me = static_cast<relinks*>(self);
        ++me->told;
        me->list->push_back(*me);
      };
      list.push_back(n);
    }
    list.notify_all();
    for (auto& n : nodes) CHECK(n.told == 1);
    CHECK_FALSE(list.empty());
    list.notify_all();
    for (auto& n : nodes) CHECK(n.told == 2);
    while (list.pop_front() != nullptr) {}
  }
}

TEST_CASE("a node may be withdrawn by one that is told before it") {
  struct withdraws : wait_node {
    wait_node* other;
  };
  std::vector<int> log;
  wait_list list;
  withdraws first;
  noted second(log, 2), third(log, 3);
  first.other = &second;
  first.notify = [](wait_node* self) noexcept { static_cast<withdraws*>(self)->other->unlink(); };
  list.push_back(first);
  list.push_back(second);
  list.push_back(third);
  list.notify_all();
  CHECK((log == std::vector<int>{3}));
}

TEST_CASE("the first waker wins; a second one is told so, and makes nothing ready") {
  hub& h = current_hub();
  waiter* w = nullptr;
  wait_list list;
  auto f = parks(w, &list);
  REQUIRE(f.weft_base()->state == fiber_state::parked);
  CHECK(unpark(*w, wake::ready));
  CHECK(f.weft_base()->state == fiber_state::ready);
  CHECK(list.empty());
  CHECK(ready_count(h) == 1);
  CHECK_FALSE(unpark(*w, wake::ready));
  CHECK_FALSE(unpark(*w, wake::timeout));
  CHECK_FALSE(unpark(*w, wake::cancelled));
  f.cancel();
  CHECK(ready_count(h) == 1);
  CHECK(f.get() == wake::ready);
}

TEST_CASE("unpark does not switch") {
  waiter* w = nullptr;
  auto f = parks(w);
  const void* self = current_fiber();
  unpark(*w);
  CHECK(current_fiber() == self);
  CHECK_FALSE(f.done());
  f.join();
}

TEST_CASE("a deadline and an event at the same moment wake once") {
  weft::testing::virtual_clock clock;
  hub& h = current_hub();
  waiter* w = nullptr;
  auto f = parks(w, nullptr, 1'000);
  clock.advance(1us);
  CHECK(unpark(*w));
  core::turn(h, 0);  // the timer would be due now
  CHECK(h.timers.empty());
  CHECK(ready_count(h) == 1);
  CHECK(f.get() == wake::ready);
  auto g = parks(w, nullptr, 1'000);
  clock.advance(1us);
  core::turn(h, 0);
  CHECK_FALSE(unpark(*w));
  CHECK(ready_count(h) == 1);
  CHECK(g.get() == wake::timeout);
}

TEST_CASE("a waker that names one park is harmless when that park, or the fiber, is over") {
  std::vector<waker> stale;
  for (int i = 0; i < 10; ++i) {
    waiter* w = nullptr;
    auto f = parks(w);
    const waker mine = make_waker(*w);
    for (const waker& old : stale) CHECK_FALSE(wake_if_current(old));
    CHECK(f.weft_base()->state == fiber_state::parked);
    CHECK(wake_if_current(mine));
    CHECK_FALSE(wake_if_current(mine));
    stale.push_back(mine);
    f.join();
    CHECK_FALSE(wake_if_current(mine));
  }
  // The same block each time: what tells the fibers apart is the epoch.
  CHECK(stale.front().fiber == stale.back().fiber);
}

TEST_CASE("a wake between linking and parking is found by the park") {
  hub& h = current_hub();
  wait_list list;
  waiter w("test");
  list.push_back(w);
  list.notify_all();
  CHECK(park(h, w) == wake::ready);
  CHECK(ready_count(h) == 0);
}

TEST_CASE("what a waker handed over before the park is not lost to a cancellation") {
  auto f = weft::spawn([] {
    hub& h = current_hub();
    weft::this_fiber::current().cancel();
    waiter w("test");
    unpark(w);
    const wake first = park(h, w);
    waiter again("test");
    CHECK(park(h, again) == wake::cancelled);
    return first;
  });
  CHECK(f.get() == wake::ready);
}

TEST_CASE("the abort hook runs once for every end but ready, before the fiber does") {
  struct hooked : waiter {
    hooked() : waiter("test") {
      on_abort = [](waiter* w) noexcept { ++static_cast<hooked*>(w)->aborts; };
    }
    int aborts = 0;
  };
  for (const wake why : {wake::ready, wake::timeout, wake::cancelled, wake::closed, wake::deadlock}) {
    hooked* w = nullptr;
    auto f = weft::spawn([&] {
      hooked mine;
      w = &mine;
      park(current_hub(), mine);
      return mine.aborts;
    });
    weft::this_fiber::yield();
    unpark(*w, why);
    CHECK(w->aborts == (why == wake::ready ? 0 : 1));
    CHECK(f.get() == (why == wake::ready ? 0 : 1));
  }
  // Refused before it parks: a cancellation that is due already.
  auto f = weft::spawn([] {
    weft::this_fiber::current().cancel();
    hooked mine;
    CHECK(park(current_hub(), mine) == wake::cancelled);
    return mine.aborts;
  });
  CHECK(f.get() == 1);
}

TEST_CASE("an uncancellable wait is not ended by cancellation, but the next one is") {
  waiter* seen = nullptr;
  auto f = weft::spawn([&] {
    hub& h = current_hub();
    waiter w("test");
    w.uncancellable = true;
    seen = &w;
    CHECK(park(h, w) == wake::ready);
    waiter next("test");
    return park(h, next);
  });
  weft::this_fiber::yield();
  f.cancel();
  weft::this_fiber::yield();
  CHECK(f.weft_base()->state == fiber_state::parked);
  CHECK(unpark(*seen));
  CHECK(f.get() == wake::cancelled);
}

TEST_CASE("nothing may park inside the runtime") {
  hub& h = current_hub();
  waiter w("test");
  wait_list list;
  list.push_back(w);
  ++h.block->in_weft;
  const wake why = park(h, w);
  const wake yielded = yield(h);
  --h.block->in_weft;
  CHECK(why == wake::impossible);
  CHECK(yielded == wake::impossible);
  CHECK(list.empty());
}

TEST_CASE("what others sent can be sorted out before it runs, and the rest runs in its order") {
  struct sent : core::remote_node {
    std::vector<int>* log = nullptr;
    int number = 0;
  };
  hub& h = current_hub();
  std::vector<int> log;
  sent nodes[5];
  for (int i = 0; i < 5; ++i) {
    nodes[i].log = &log;
    nodes[i].number = i;
    nodes[i].run = [](hub&, core::remote_node* n) noexcept {
      auto* me = static_cast<sent*>(n);
      me->log->push_back(me->number);
    };
  }
  core::hub_post(h, nodes[0]);
  core::hub_post(h, nodes[1]);
  const auto odd = [](core::remote_node* n) noexcept { return static_cast<sent*>(n)->number % 2 == 1; };
  core::drop_remote(h, odd);
  for (int i = 2; i < 5; ++i) core::hub_post(h, nodes[i]);
  core::drop_remote(h, odd);
  core::take_remote(h);
  CHECK(log == std::vector<int>{0, 2, 4});
  core::drop_remote(h, [](core::remote_node*) noexcept { return true; });
  core::hub_post(h, nodes[1]);
  core::take_remote(h);
  CHECK(log == std::vector<int>{0, 2, 4, 1});
}
