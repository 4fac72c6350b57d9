// task_group::start and async::start: a child that says when it is ready, one that does not, and who is cut off.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

#include "../support/reports.hpp"
#include "../sync/chaos.hpp"

using namespace std::chrono_literals;
using weft::task;
using weft::task_status;
using weft::this_fiber::sleep_for;
namespace async = weft::async;

namespace {

enum class style { fibers, tasks };
constexpr style both[] = {style::fibers, style::tasks};

// group.start in a fiber, or its awaited form.
template <class T = void, class F, class... Args>
T start(style s, weft::task_group& g, F fn, Args... args) {
  if (s == style::fibers) return g.start<T>(fn, args...);
  return weft::await(async::start<T>(g, fn, args...));
}

int port_of_fiber(task_status<int> status, int port) {
  sleep_for(1s);
  status.started(port);
  sleep_for(2s);
  return 1;
}
task<> port_of_task(task_status<int> status, int port) {
  co_await async::sleep_for(1s);
  status.started(port);
  co_await async::sleep_for(2s);
}

}  // namespace

TEST_CASE("start comes back with what the child says; from there on it is a child like others") {
  for (const style s : both) {
    weft::testing::virtual_clock clock;
    weft::task_group g;
    CHECK(start<int>(s, g, port_of_fiber, 80) == 80);
    CHECK(clock.elapsed() == 1s);
    CHECK(start<int>(s, g, port_of_task, 81) == 81);
    CHECK(clock.elapsed() == 2s);
    CHECK(g.size() == 2);
    start(s, g, [](task_status<> ready) { ready.started(); });
    const auto owner = start<std::unique_ptr<int>>(
        s, g, [](task_status<std::unique_ptr<int>> ready) { ready.started(std::make_unique<int>(7)); });
    CHECK(*owner == 7);
    CHECK(start<std::string>(s, g, [](task_status<std::string> ready) { ready.started("converted"); }) == "converted");
    g.join();
    CHECK(clock.elapsed() == 4s);
  }
}

TEST_CASE("a failure before the child is ready is start's, and the group goes on; one after it is the group's") {
  const reports told;
  for (const style s : both) {
    weft::testing::virtual_clock clock;
    weft::task_group g;
    auto sibling = g.spawn([] { sleep_for(5s); });
    CHECK_THROWS_WITH(start<int>(s, g,
                                 [](task_status<int>) {
                                   sleep_for(1s);
                                   throw std::runtime_error("no port");
                                 }),
                      "no port");
    CHECK_THROWS_WITH(start<int>(s, g,
                                 [](task_status<int>) -> task<> {
                                   co_await async::sleep_for(1s);
                                   throw std::runtime_error("no port either");
                                 }),
                      "no port either");
    CHECK_FALSE(g.cancel_called());
    CHECK(g.size() == 1);
    CHECK(start<int>(s, g, [](task_status<int> status) {
            status.started(1);
            sleep_for(1s);
            throw std::runtime_error("later");
          }) == 1);
    CHECK_THROWS_WITH(g.join(), "later");
    CHECK(sibling.was_cancelled());
    CHECK(g.errors().empty());
    CHECK(clock.elapsed() == 3s);
  }
  CHECK(told.texts.empty());
}

TEST_CASE("a child that ends without a word is an error, and so is a second word") {
  for (const style s : both) {
    weft::task_group g;
    CHECK_THROWS_AS(start(s, g, [](task_status<>) {}), weft::not_started);
    CHECK_THROWS_AS(start<int>(s, g, [](task_status<int>) -> task<> { co_await async::yield(); }), weft::not_started);
    bool refused = false;
    CHECK(start<int>(s, g, [&](task_status<int> status) {
            status.started(1);
            try {
              status.started(2);
            } catch (const weft::error&) {
              refused = true;
            }
          }) == 1);
    g.join();
    CHECK(refused);
    // Kept by somebody, when start is over for long.
    task_status<> kept;
    CHECK_THROWS_AS(start(s, g, [&](task_status<> status) { kept = status; }), weft::not_started);
    kept.started();
    g.join();
  }
}

TEST_CASE("a status that nobody gave is for functions that are called by others, too") {
  const auto serve = [](task_status<int> status = {}) {
    status.started(5);
    return 6;
  };
  CHECK(serve() == 6);
  weft::task_group g;
  CHECK(g.start<int>(serve) == 5);
  g.join();
}

TEST_CASE("who is cut off in start takes the child along, and waits for it") {
  for (const style s : both) {
    weft::testing::virtual_clock clock;
    weft::task_group g;
    bool cleaned = false, heard = false;
    const auto stubborn = [&](task_status<int> status) {
      try {
        sleep_for(1h);
      } catch (const weft::cancelled&) {
        weft::shield([] { sleep_for(3s); });
        cleaned = true;
        status.started(1);  // too late: nobody listens, and it says nothing
        heard = true;
        throw;
      }
    };
    CHECK_FALSE(weft::move_on_after(1s, [&] { start<int>(s, g, stubborn); }));
    CHECK(cleaned);
    CHECK(heard);
    CHECK(g.size() == 0);
    CHECK_FALSE(g.cancel_called());
    CHECK(clock.elapsed() == 4s);
    // Killed, and thrown at.
    auto f = weft::spawn([&] { start<int>(s, g, [](task_status<int>) { sleep_for(1h); }); });
    weft::this_fiber::yield();
    weft::this_fiber::yield();
    CHECK(g.size() == 1);
    f.kill();
    CHECK(f.was_cancelled());
    CHECK(g.size() == 0);
    f = weft::spawn([&] { start<int>(s, g, [](task_status<int>) -> task<> { co_await async::sleep_for(1h); }); });
    weft::this_fiber::yield();
    weft::this_fiber::yield();
    f.throw_in(std::make_exception_ptr(std::runtime_error("out")));
    CHECK_THROWS_WITH(f.get(), "out");
    CHECK(g.size() == 0);
    // What the child fails with meanwhile goes before (asyncio's rule, as in join).
    CHECK_THROWS_WITH(weft::move_on_after(1s,
                                          [&] {
                                            start<int>(s, g, [](task_status<int>) {
                                              try {
                                                sleep_for(1h);
                                              } catch (const weft::cancelled&) {
                                                throw std::runtime_error("clean-up failed");
                                              }
                                            });
                                          }),
                      "clean-up failed");
    g.join();
  }
}

TEST_CASE("the child's word and the caller's cancellation in one turn: whichever was first") {
  for (const style s : both) {
    weft::testing::virtual_clock clock;
    weft::task_group g;
    task_status<int> word;
    int got = 0;
    bool ended = false;
    const auto child = [&](task_status<int> status) {
      struct at_end {
        bool& flag;
        ~at_end() { flag = true; }
      } mark{ended};
      word = status;
      sleep_for(1h);
    };
    const auto host = [&] { got = start<int>(s, g, child); };
    auto f = weft::spawn(host);
    sleep_for(1s);
    f.cancel();
    word.started(1);
    f.join();
    CHECK(f.was_cancelled());
    CHECK(got == 0);
    CHECK(ended);
    CHECK(g.size() == 0);
    ended = false;
    f = weft::spawn(host);
    sleep_for(1s);
    word.started(2);
    f.cancel();
    f.join();
    CHECK(f.successful());
    CHECK(got == 2);
    CHECK_FALSE(ended);
    CHECK(g.size() == 1);
    g.cancel();
    g.join();
    CHECK(ended);
  }
}

TEST_CASE("a group that is cancelled, or fails, ends the child that is not ready yet") {
  for (const style s : both) {
    weft::testing::virtual_clock clock;
    {
      weft::task_group g;
      weft::call_later(1s, [&] { g.cancel(); });
      CHECK_THROWS_AS(start<int>(s, g, [](task_status<int>) { sleep_for(1h); }), weft::fiber_cancelled);
      CHECK_THROWS_AS(start<int>(s, g, [](task_status<int>) { FAIL_CHECK("it began"); }), weft::fiber_cancelled);
      g.join();
    }
    {
      weft::task_group g;
      g.spawn([] {
        sleep_for(1s);
        throw std::runtime_error("sibling");
      });
      CHECK_THROWS_AS(start<int>(s, g, [](task_status<int>) { sleep_for(1h); }), weft::fiber_cancelled);
      CHECK_THROWS_WITH(g.join(), "sibling");
    }
    weft::task_group g;
    CHECK_THROWS_WITH(g.run([&] {
      g.spawn([] {
        sleep_for(1s);
        throw std::runtime_error("sibling");
      });
      start<int>(s, g, [](task_status<int>) { sleep_for(1h); });
      FAIL_CHECK("the body went on");
    }),
                      "sibling");
    CHECK(g.errors().empty());
  }
}

TEST_CASE("servers in a nursery of tasks: each listens before the next one begins") {
  weft::testing::virtual_clock clock;
  std::vector<int> order;
  weft::await(async::with_group([&](weft::task_group& g) -> task<> {
    for (int i = 0; i < 3; ++i) {
      const int said = co_await async::start<int>(g, [&order](task_status<int> status, int n) -> task<> {
        co_await async::sleep_for(std::chrono::seconds(3 - n));
        status.started(n);
        co_await async::sleep_for(10s);
        order.push_back(n);
      }, i);
      order.push_back(10 + said);
    }
  }));
  CHECK(order == std::vector{10, 11, 12, 0, 1, 2});
  CHECK(clock.elapsed() == 16s);
}

TEST_CASE("start, and the child's word, on another OS thread throw wrong_hub") {
  weft::task_group g;
  task_status<> word;
  auto f = weft::spawn([&] {
    g.start([&](task_status<> status) {
      word = status;
      sleep_for(1h);
    });
  });
  weft::testing::wait_all_blocked();
  std::thread([&] {
    CHECK_THROWS_AS(g.start([](task_status<>) {}), weft::wrong_hub);
    CHECK_THROWS_AS(word.started(), weft::wrong_hub);
  }).join();
  word.started();
  f.get();
  g.cancel();
  g.join();
}

TEST_CASE("under every schedule start has the child's word, or the child is over; none outlives its group") {
  using namespace chaos;
  int words = 0, throws = 0;
  weft::on_error([](const weft::unobserved_failure&) {});  // groups that were cut off before their join
  under_all_seeds([&](world& w) {
    int alive = 0;
    const auto expect = [](bool ok, const char* what) {
      if (!ok) FAIL(std::string(what));
    };
    struct living {
      int& n;
      explicit living(int& count) : n(count) { ++n; }
      living(const living&) = delete;
      ~living() { --n; }
    };
    for (int host = 0; host < 3; ++host)
      w.start([&] {
        weft::task_group g;
        const auto body = [&] {
          for (int i = 0; i < 3; ++i) {
            if (w.roll.one_in(8)) g.cancel();
            auto said = std::make_shared<int>(-1);
            auto held = std::make_shared<living>(alive);
            const std::weak_ptr<living> child = held;
            const bool as_task = w.roll.one_in(2);
            const style s = w.roll.one_in(2) ? style::fibers : style::tasks;
            try {
              int word = 0;
              if (as_task)
                word = start<int>(s, g, [&w, said, held = std::move(held)](task_status<int> status, int n) -> task<> {
                  co_await async::sleep_for(w.moment());
                  if (w.roll.one_in(5)) throw std::runtime_error("early");
                  *said = n;
                  status.started(n);
                  co_await async::sleep_for(w.moment());
                }, i);
              else
                word = start<int>(s, g, [&w, said, held = std::move(held)](task_status<int> status, int n) {
                  w.nap();
                  if (w.roll.one_in(5)) throw std::runtime_error("early");
                  if (w.roll.one_in(8)) return;
                  *said = n;
                  status.started(n);
                  w.nap();
                  if (w.roll.one_in(8)) throw std::runtime_error("late");
                }, i);
              expect(word == i && *said == i, "a word that was not said");
              ++words;
            } catch (const weft::cancelled&) {
              expect(child.expired(), "start was cut off, and the child lives");
              throw;
            } catch (const std::runtime_error&) {
              expect(child.expired(), "start has failed, and the child lives");
              ++throws;
            }
          }
        };
        try {
          w.limited([&] {
            if (w.roll.one_in(2)) {
              g.run(body);
            } else {
              body();
              g.join();
            }
          });
        } catch (const std::runtime_error&) {
        }
      });
    w.finish();
    expect(alive == 0, "a child outlived its group");
  });
  weft::on_error({});
  if (number_from("WEFT_TEST_SEED", 0) == 0) {
    CHECK(words > 0);
    CHECK(throws > 0);
  }
}
