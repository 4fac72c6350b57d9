// Hubs and OS threads: one hub each, posting between them, handles in foreign hands, and how a hub ends.
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {

// Runs fn() on another OS thread while fibers of this one go on; returns when it is over.
void on_thread(const std::function<void()>& fn) {
  std::thread(fn).join();
}

thread_local weft::any_fiber kept;

// Parks the caller until `flag`, without any help that a test would have to trust.
void wait_for(const std::atomic<bool>& flag) {
  while (!flag) sleep_for(100us);
}

}  // namespace

TEST_CASE("every OS thread has a hub of its own, and fibers stay on theirs") {
  const weft::hub mine = weft::this_hub();
  CHECK(mine == weft::hub::current());
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      CHECK(weft::this_hub() != mine);
      const auto id = std::this_thread::get_id();
      std::vector<weft::fiber<int>> fibers;
      for (int i = 0; i < 100; ++i)
        fibers.push_back(weft::spawn([i, id] {
          for (int n = 0; n < 5; ++n) weft::this_fiber::yield();
          sleep_for(std::chrono::microseconds(i));
          return std::this_thread::get_id() == id ? i : -1;
        }));
      for (int i = 0; i < 100; ++i) done += fibers[static_cast<std::size_t>(i)].get() == i;
    });
  for (auto& t : threads) t.join();
  CHECK(done == 400);
}

TEST_CASE("fibers that a thread leaves behind are cancelled and joined when it ends") {
  std::atomic<int> unwound{0};
  on_thread([&] {
    struct at_exit {
      std::atomic<int>& n;
      ~at_exit() {
        weft::this_fiber::yield();
        ++n;
      }
    };
    for (int i = 0; i < 10; ++i)
      weft::spawn([&] {
        at_exit e{unwound};
        sleep_for(1h);
      });
    weft::spawn([&] { unwound += 100; });
    weft::this_fiber::yield();
    weft::spawn([&] { unwound += 1000; });  // has not begun when the thread ends
  });
  CHECK(unwound == 110);
}

TEST_CASE("hubs come and go with their threads and leave no descriptor behind") {
  const auto lowest_free = [] {
    const int fd = dup(0);
    close(fd);
    return fd;
  };
  weft::this_hub();
  const int before = lowest_free();
  for (int i = 0; i < 300; ++i)
    on_thread([&] {
      auto f = weft::spawn([] { sleep_for(1us); });
      f.join();
    });
  CHECK(lowest_free() == before);
}

TEST_CASE("a hub that cannot get its descriptors throws system_error, and the thread can try again") {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int next = dup(0);
  close(next);
  std::error_code code;
  int after = -1;
  bool works = false;
  on_thread([&] {
    rlimit tight = limit;
    tight.rlim_cur = static_cast<rlim_t>(next);
    setrlimit(RLIMIT_NOFILE, &tight);
    for (int i = 0; i < 3; ++i) try {
        weft::this_hub();
      } catch (const std::system_error& e) {
        code = e.code();
      }
    setrlimit(RLIMIT_NOFILE, &limit);
    after = dup(0);
    close(after);
    works = weft::spawn([] { return true; }).get();
  });
  CHECK(code.value() == EMFILE);
  CHECK(after == next);
  CHECK(works);
}

TEST_CASE("post runs a function in a fiber of the other hub") {
  std::atomic<bool> ran{false};
  const weft::hub home = weft::this_hub();
  const auto id = std::this_thread::get_id();
  std::thread t([&] {
    home.post([&] {
      weft::this_fiber::yield();  // it may park
      ran = std::this_thread::get_id() == id;
    });
  });
  wait_for(ran);
  t.join();
}

TEST_CASE("a post that came before its thread ended is found by a main that parks afterwards") {
  weft::fiber<> waits = weft::spawn([] { sleep_for(std::chrono::hours::max()); });  // for ever: no timer
  weft::this_fiber::yield();
  const weft::hub home = weft::this_hub();
  std::thread([&] { home.post([&] { waits.cancel(); }); }).join();
  waits.join();  // nothing but the inbox can wake this
  CHECK(waits.was_cancelled());
}

TEST_CASE("posts of many threads all run, each thread's in its order") {
  constexpr int threads = 4, each = 3'000;
  const weft::hub home = weft::this_hub();
  std::vector<int> next(threads, 0);
  int total = 0;
  bool in_order = true;
  std::vector<std::thread> posters;
  for (int t = 0; t < threads; ++t)
    posters.emplace_back([&, t] {
      for (int i = 0; i < each; ++i)
        home.post([&, t, i] {
          in_order = in_order && next[static_cast<std::size_t>(t)]++ == i;
          ++total;
        });
    });
  while (total < threads * each) sleep_for(1ms);
  for (auto& t : posters) t.join();
  CHECK(in_order);
  CHECK(weft::this_hub().stats().remote_wakes >= threads * each);
}

TEST_CASE("two hubs post back and forth") {
  constexpr int rounds = 2'000;
  std::atomic<int> count{0};
  std::atomic<bool> up{false}, over{false};
  const weft::hub a = weft::this_hub();
  std::unique_ptr<weft::hub> b;
  std::thread t([&] {
    b = std::make_unique<weft::hub>(weft::this_hub());
    up = true;
    wait_for(over);
  });
  wait_for(up);
  std::function<void()> ping, pong;
  ping = [&] {
    if (++count == rounds) over = true;
    else b->post(pong);
  };
  pong = [&] { a.post(ping); };
  ping();
  wait_for(over);
  t.join();
  CHECK(count == rounds);
}

TEST_CASE("posting to a hub whose thread has ended throws hub_closed") {
  std::unique_ptr<weft::hub> gone;
  on_thread([&] { gone = std::make_unique<weft::hub>(weft::this_hub()); });
  CHECK_THROWS_AS(gone->post([] {}), weft::hub_closed);
  const weft::hub copy = *gone;
  CHECK_THROWS_AS(copy.post([] {}), weft::hub_closed);
  CHECK_THROWS_AS(copy.stats(), weft::wrong_hub);
}

TEST_CASE("posts race with the end of their hub: each runs, is dropped with its captures, or throws hub_closed") {
  for (int round = 0; round < 200; ++round) {
    std::atomic<weft::hub*> hub{nullptr};
    auto captured = std::make_shared<int>(0);
    std::atomic<int> ran{0};
    int refused = 0;
    std::thread t([&] {
      auto mine = new weft::hub(weft::this_hub());
      hub = mine;
      if (round % 2) sleep_for(std::chrono::microseconds(round));
    });
    while (hub == nullptr) std::this_thread::yield();
    for (int i = 0; i < 50; ++i) try {
        hub.load()->post([captured, &ran] { ++ran; });
      } catch (const weft::hub_closed&) {
        ++refused;
      }
    t.join();
    CHECK_THROWS_AS(hub.load()->post([] {}), weft::hub_closed);
    delete hub;
    CHECK(ran + refused <= 50);
    CHECK(captured.use_count() == 1);  // nothing is kept for ever
  }
}

TEST_CASE("statistics are for the hub's own thread") {
  const weft::hub home = weft::this_hub();
  bool refused = false;
  on_thread([&] {
    try {
      home.stats();
    } catch (const weft::wrong_hub&) {
      refused = true;
    }
  });
  CHECK(refused);
  const auto s = home.stats();
  CHECK(s.fibers >= 1);
  CHECK(s.fibers_created > 0);
  CHECK(s.switches > 0);
  CHECK(s.parks > 0);
  CHECK((std::string(s.poller) == "epoll" || std::string(s.poller) == "select"));
}

TEST_CASE("a handle used on a foreign thread throws wrong_hub") {
  auto f = weft::spawn([] { sleep_for(1h); });
  weft::this_fiber::yield();
  int refused = 0;
  on_thread([&] {
    const auto expect = [&](auto fn) {
      try {
        fn();
      } catch (const weft::wrong_hub&) {
        ++refused;
      }
    };
    expect([&] { f.join(); });
    expect([&] { f.get(); });
    expect([&] { f.join_for(1s); });
    expect([&] { f.kill(); });
    expect([&] { f.throw_in(std::make_exception_ptr(1)); });
    expect([&] { f.link([](weft::any_fiber) {}); });
    expect([&] { auto copy = f; });
    expect([&] { weft::joinall(std::span(&f, 1)); });
    CHECK_FALSE(f.done());
  });
  CHECK(refused == 8);
  f.kill();
}

TEST_CASE("a fiber can be cancelled from a foreign thread") {
  auto f = weft::spawn([] { sleep_for(1h); });
  std::thread t([&] { f.cancel(); });
  f.join();
  t.join();
  CHECK(f.was_cancelled());
}

TEST_CASE("a foreign cancel hits the fiber it was meant for, not one that came to its place") {
  for (int round = 0; round < 100; ++round) {
    auto first = std::make_unique<weft::fiber<>>(weft::spawn([] {}));
    std::thread([&] { first->cancel(); }).join();
    // No turn of the hub yet: the first fiber ends by itself, and another gets its memory.
    first->join();
    first.reset();
    auto second = weft::spawn([] { sleep_for(1ms); });
    second.join();
    CHECK(second.successful());
  }
}

TEST_CASE("a handle dropped on a foreign thread gives its reference back at home") {
  auto alive = std::make_shared<int>(1);
  {
    auto f = weft::spawn([alive] { return alive; });
    f.join();
    on_thread([g = std::move(f)]() mutable { auto gone = std::move(g); });
  }
  for (int i = 0; i < 1'000 && alive.use_count() > 1; ++i) sleep_for(1ms);
  CHECK(alive.use_count() == 1);
}

TEST_CASE("handles that outlive their hub answer, refuse to wait, and can be dropped") {
  weft::fiber<int> value;
  weft::fiber<> failed;
  weft::any_fiber main_of_thread;
  on_thread([&] {
    value = weft::spawn([] { return 3; });
    failed = weft::spawn([] { throw std::runtime_error("failed"); });
    main_of_thread = weft::this_fiber::current();
    value.join();
    failed.join();
    CHECK(failed.exception() != nullptr);
  });
  // Other hubs come and go in between: theirs must not take the place of what the handles name.
  for (int i = 0; i < 5; ++i) on_thread([] { weft::spawn([] {}).join(); });
  CHECK(value.done());
  CHECK(failed.done());
  CHECK_THROWS_AS(value.get(), weft::wrong_hub);
  CHECK_THROWS_AS(value.join(), weft::wrong_hub);
  CHECK_THROWS_AS(main_of_thread.join(), weft::wrong_hub);
  CHECK_THROWS_AS(main_of_thread.cancel(), weft::hub_closed);
  bool refused_there = false;
  on_thread([&] {
    weft::this_hub();
    try {
      auto copy = main_of_thread;
    } catch (const weft::wrong_hub&) {
      refused_there = true;
    }
  });
  CHECK(refused_there);
  value = {};
  failed = {};
  main_of_thread = {};
}

TEST_CASE("a handle on a thread's main fiber outlives the hub too, and never names another hub's main") {
  weft::any_fiber kept;
  on_thread([&] { kept = weft::this_fiber::current(); });
  bool same = false, refused = false;
  on_thread([&] {
    same = weft::this_fiber::current() == kept;
    try {
      kept.kill();
    } catch (const weft::wrong_hub&) {
      refused = true;
    }
  });
  CHECK_FALSE(same);
  CHECK(refused);
  kept = {};
  on_thread([] { weft::spawn([] {}).join(); });
}

TEST_CASE("a handle kept in a thread_local is dropped after its hub has ended") {
  on_thread([] {
    CHECK_FALSE(static_cast<bool>(kept));  // made before the hub, so destroyed after it
    kept = weft::spawn([] { return std::string(100, 'x'); });
    kept.join();
  });
  on_thread([] {
    kept = weft::spawn([] { sleep_for(1h); });
    weft::this_fiber::yield();
  });
}

TEST_CASE("a failing posted function is reported, and the hub goes on") {
  std::atomic<bool> seen{false};
  weft::on_error([&](const weft::unobserved_failure& f) { seen = f.text == "std::runtime_error: posted"; });
  weft::this_hub().post([] { throw std::runtime_error("posted"); });
  wait_for(seen);
  weft::on_error({});
}
