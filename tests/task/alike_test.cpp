// The same scene as a fiber and as a task: values, exceptions, cancellation, thrown-in exceptions and times come out alike.
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;
namespace self = weft::this_fiber;

namespace {

using text = std::string;

struct scene {
  const char* name;
  std::function<void(text&)> as_fiber;
  std::function<task<>(text&)> as_task;
};

text name_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const weft::timeout_error&) {
    return "timeout_error";
  } catch (const weft::fiber_cancelled&) {
    return "fiber_cancelled";
  } catch (const weft::queue_closed&) {
    return "queue_closed";
  } catch (const weft::broken_barrier&) {
    return "broken_barrier";
  } catch (const weft::self_join&) {
    return "self_join";
  } catch (const weft::wrong_hub&) {
    return "wrong_hub";
  } catch (const weft::result_taken&) {
    return "result_taken";
  } catch (const weft::not_owner&) {
    return "not_owner";
  } catch (const std::system_error& e) {
    return "system_error " + std::to_string(e.code().value());
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something";
  }
}

// Written where a scope is left, in whatever way.
struct leaving {
  text& log;
  ~leaving() { log += "left "; }
};

// Does not outlive what it refers to.
struct later {
  weft::any_fiber f;
  ~later() { f.cancel(); }
};

void fails() { throw std::runtime_error("failed"); }
void sleeps_long() { self::sleep_for(1h); }

const std::vector<scene> scenes{
    {"sleeps", [](text& log) {
       const leaving l{log};
       self::sleep_for(2ms);
       log += "slept ";
     },
     [](text& log) -> task<> {
       const leaving l{log};
       co_await async::sleep_for(2ms);
       log += "slept ";
     }},
    {"throws after a wait", [](text& log) {
       const leaving l{log};
       self::sleep_for(2ms);
       throw std::runtime_error("thrown");
     },
     [](text& log) -> task<> {
       const leaving l{log};
       co_await async::sleep_for(2ms);
       throw std::runtime_error("thrown");
     }},
    {"throws what is no std::exception", [](text&) {
       self::sleep_for(2ms);
       throw 5;
     },
     [](text&) -> task<> {
       co_await async::sleep_for(2ms);
       throw 5;
     }},
    {"swallows cancellation and goes on", [](text& log) {
       for (int i = 0; i < 3; ++i) try {
           self::sleep_for(2ms);
           log += "slept ";
         } catch (const weft::cancelled&) {
           log += "cancelled ";
         }
     },
     [](text& log) -> task<> {
       for (int i = 0; i < 3; ++i) try {
           co_await async::sleep_for(2ms);
           log += "slept ";
         } catch (const weft::cancelled&) {
           log += "cancelled ";
         }
     }},
    {"cleans up behind a shield", [](text& log) {
       try {
         self::sleep_for(2ms);
       } catch (...) {
         log += name_of(std::current_exception()) + " ";
       }
       weft::shield([&] {
         self::sleep_for(2ms);
         log += "cleaned ";
       });
       self::sleep_for(2ms);
       log += "on ";
     },
     [](text& log) -> task<> {
       try {
         co_await async::sleep_for(2ms);
       } catch (...) {
         log += name_of(std::current_exception()) + " ";
       }
       co_await async::shield([&]() -> task<> {
         co_await async::sleep_for(2ms);
         log += "cleaned ";
       });
       co_await async::sleep_for(2ms);
       log += "on ";
     }},
    {"fails after a limit", [](text& log) {
       const leaving l{log};
       weft::fail_after(3ms, sleeps_long);
     },
     [](text& log) -> task<> {
       const leaving l{log};
       co_await async::fail_after(3ms, [] { return async::sleep_for(1h); });
     }},
    {"nested limits", [](text& log) {
       const bool outer = weft::move_on_after(5ms, [&] {
         const bool inner = weft::move_on_after(3ms, sleeps_long);
         log += inner ? "in " : "cut ";
         self::sleep_for(1h);
       });
       log += outer ? "in " : "cut ";
     },
     [](text& log) -> task<> {
       const bool outer = co_await async::move_on_after(5ms, [&]() -> task<> {
         const bool inner = co_await async::move_on_after(3ms, [] { return async::sleep_for(1h); });
         log += inner ? "in " : "cut ";
         co_await async::sleep_for(1h);
       });
       log += outer ? "in " : "cut ";
     }},
    {"a child fails", [](text&) { weft::spawn(fails).get(); },
     [](text&) -> task<> { co_await weft::spawn(fails); }},
    {"a child is cancelled", [](text&) {
       auto child = weft::spawn(sleeps_long);
       self::sleep_for(2ms);
       child.cancel();
       child.get();
     },
     [](text&) -> task<> {
       auto child = weft::spawn(sleeps_long);
       co_await async::sleep_for(2ms);
       child.cancel();
       co_await child;
     }},
    {"a result is asked for twice", [](text& log) {
       auto child = weft::spawn([] { return std::string("value"); });
       log += child.get() + " ";
       child.get();
     },
     [](text& log) -> task<> {
       auto child = weft::spawn([] { return std::string("value"); });
       log += co_await child + " ";
       co_await child;
     }},
    {"joins itself", [](text&) { self::current().join(); },
     [](text&) -> task<> { co_await async::join(self::current()); }},
    {"locks a mutex twice", [](text& log) {
       weft::mutex m;
       const std::lock_guard held(m);
       const leaving l{log};
       m.lock();
     },
     [](text& log) -> task<> {
       weft::mutex m;
       const auto held = co_await async::lock(m);
       const leaving l{log};
       const auto again = co_await async::lock(m);
     }},
    {"waits for a condition without the lock", [](text&) {
       weft::mutex m;
       weft::condition_variable c;
       std::unique_lock lock(m, std::defer_lock);
       c.wait(lock);
     },
     [](text&) -> task<> {
       weft::mutex m;
       weft::condition_variable c;
       std::unique_lock lock(m, std::defer_lock);
       co_await async::wait(c, lock);
     }},
    {"a queue is closed under it", [](text&) {
       weft::queue<int> q;
       const later l{weft::spawn_later(2ms, [&] { q.close(); })};
       q.get();
     },
     [](text&) -> task<> {
       weft::queue<int> q;
       const later l{weft::spawn_later(2ms, [&] { q.close(); })};
       co_await async::get(q);
     }},
    {"nobody comes to its barrier", [](text&) {
       weft::barrier b(2);
       b.arrive_and_wait_for(3ms);
     },
     [](text&) -> task<> {
       weft::barrier b(2);
       co_await async::arrive_and_wait_for(b, 3ms);
     }},
    {"somebody else leaves its barrier", [](text&) {
       weft::barrier b(2);
       const later l{weft::spawn_later(2ms, [&] { b.abort(); })};
       b.arrive_and_wait();
     },
     [](text&) -> task<> {
       weft::barrier b(2);
       const later l{weft::spawn_later(2ms, [&] { b.abort(); })};
       co_await async::arrive_and_wait(b);
     }},
    {"an event of another thread's hub", [](text&) {
       weft::event* foreign = nullptr;
       std::thread([&] { foreign = new weft::event; }).join();
       const std::unique_ptr<weft::event> owner(foreign);
       foreign->wait();
     },
     [](text&) -> task<> {
       weft::event* foreign = nullptr;
       std::thread([&] { foreign = new weft::event; }).join();
       const std::unique_ptr<weft::event> owner(foreign);
       co_await *foreign;
     }},
    {"gathers a failure", [](text& log) {
       const leaving l{log};
       weft::gather(sleeps_long, [] {
         self::sleep_for(2ms);
         fails();
       });
     },
     [](text& log) -> task<> {
       const leaving l{log};
       co_await async::gather(sleeps_long, [] {
         self::sleep_for(2ms);
         fails();
       });
     }},
    {"is late for a result", [](text& log) {
       auto child = weft::spawn(sleeps_long);
       try {
         weft::wait_for(child, 3ms);
       } catch (const weft::timeout_error&) {
         log += child.was_cancelled() ? "cancelled " : "runs ";
       }
     },
     [](text& log) -> task<> {
       auto child = weft::spawn(sleeps_long);
       try {
         co_await async::wait_for(child, 3ms);
       } catch (const weft::timeout_error&) {
         log += child.was_cancelled() ? "cancelled " : "runs ";
       }
     }},
    {"a group's child fails", [](text& log) {
       weft::task_group g;
       g.run([&] {
         g.spawn(fails);
         const leaving l{log};
         self::sleep_for(1h);
       });
     },
     [](text& log) -> task<> {
       co_await async::with_group([&](weft::task_group& g) -> task<> {
         g.spawn(fails);
         const leaving l{log};
         co_await async::sleep_for(1h);
       });
     }},
};

struct treatment {
  const char* name;
  void (*apply)(weft::any_fiber&);
};
const treatment treatments[] = {
    {"left alone", [](weft::any_fiber&) {}},
    {"cancelled before it begins", [](weft::any_fiber& f) { f.cancel(); }},
    {"cancelled at its first wait",
     [](weft::any_fiber& f) {
       self::sleep_for(1ms);
       f.cancel();
     }},
    {"thrown at in its first wait",
     [](weft::any_fiber& f) {
       self::sleep_for(1ms);
       f.throw_in(std::make_exception_ptr(std::runtime_error("thrown in")));
     }},
    {"cancelled and thrown at",
     [](weft::any_fiber& f) {
       self::sleep_for(1ms);
       f.cancel();
       f.throw_in(std::make_exception_ptr(std::runtime_error("thrown in")));
     }},
};

text outcome(const treatment& how, const std::function<weft::any_fiber(text&)>& start) {
  text log, unseen;
  weft::testing::virtual_clock clock;
  weft::on_error([&](const weft::unobserved_failure& f) { unseen += text(f.text) + " "; });
  {
    weft::any_fiber f = start(log);
    how.apply(f);
    f.join();
    log += "after " + std::to_string(clock.elapsed() / 1us) + "us: ";
    if (f.was_cancelled())
      log += "cancelled";
    else if (auto e = f.exception())
      log += name_of(e);
    else
      log += "returned";
  }
  self::sleep_for(2h);  // what was left behind comes to its end
  weft::on_error({});
  return log + (unseen.empty() ? "" : " | reported: " + unseen) + (weft::this_hub().stats().fibers == 1 ? "" : " | leaks");
}

}  // namespace

TEST_CASE("a scene comes out alike as a fiber and as a task, whatever is done to it") {
  for (const scene& s : scenes)
    for (const treatment& how : treatments) {
      CAPTURE(s.name);
      CAPTURE(how.name);
      const text fiber = outcome(how, [&](text& log) { return weft::spawn([&] { s.as_fiber(log); }); });
      const text task = outcome(how, [&](text& log) { return weft::spawn([&] { return s.as_task(log); }); });
      const text part = outcome(how, [&](text& log) { return weft::spawn([&] { weft::await(s.as_task(log)); }); });
      CHECK(task == fiber);
      CHECK(part == fiber);
      CHECK(fiber.find("leaks") == text::npos);
    }
}

namespace {
weft::event nobody_sets;
task<> innermost() { co_await async::join(nobody_sets); }
task<> middle() { co_await innermost(); }
task<> outermost() { co_await middle(); }
}  // namespace

TEST_CASE("run_info shows the chain of awaits of a task, of a fiber that awaits, and of a group's body, with functions and lines") {
  auto by_task = weft::spawn({.name = "by task"}, outermost);
  auto by_fiber = weft::spawn({.name = "by fiber"}, [] { weft::await(outermost()); });
  weft::testing::wait_all_blocked();
  const text info = weft::run_info();
  for (const char* name : {"by task", "by fiber"}) {
    const std::size_t at = info.find(name);
    REQUIRE(at != text::npos);
    std::size_t last = at;
    for (const char* function : {"await #0 in innermost, line ", "await #1 in middle, line ", "await #2 in outermost, line "}) {
      const std::size_t found = info.find(function, last);
      CHECK(found != text::npos);
      last = found;
    }
  }
  weft::killall(std::vector<weft::any_fiber>{by_task, by_fiber});
}
