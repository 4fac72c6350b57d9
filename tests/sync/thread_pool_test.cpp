// What weft::thread_pool promises: real threads, results and failures back in the fiber, cancellation that leaves nothing dangling.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/event.hpp>
#include <weft/fiber.hpp>
#include <weft/testing.hpp>
#include <weft/thread_pool.hpp>

using namespace std::chrono_literals;

namespace {

// Holds a pool's thread until it is opened.
struct gate {
  std::promise<void> opened;
  std::shared_future<void> seen = opened.get_future().share();
  std::atomic<int> entered{0};
  void pass() {
    ++entered;
    seen.wait();
  }
};

void until(const std::atomic<int>& a, int value) {
  while (a.load() != value) std::this_thread::yield();
}

}  // namespace

TEST_CASE("apply runs on another OS thread, with arguments and results of any kind") {
  weft::thread_pool pool(2);
  CHECK(pool.threads() == 0);
  CHECK(pool.size() == 2);
  CHECK(pool.apply([] { return std::this_thread::get_id(); }) != std::this_thread::get_id());
  CHECK(pool.threads() == 1);
  CHECK(pool.apply([](int a, int b) { return a + b; }, 2, 3) == 5);
  auto moved = pool.apply([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(4));
  CHECK(*moved == 4);
  int here = 0;
  int& same = pool.apply([](int& r) -> int& { return r; }, std::ref(here));
  CHECK(&same == &here);
  pool.apply([&] { here = 6; });
  CHECK(here == 6);
}

TEST_CASE("what the function throws is thrown by apply") {
  weft::thread_pool pool(1);
  CHECK_THROWS_WITH_AS(pool.apply([]() -> int { throw std::runtime_error("there"); }), "there", std::runtime_error);
  CHECK(pool.apply([] { return 1; }) == 1);
}

TEST_CASE("other fibers run while one waits for the pool; as many jobs run at once as there are threads") {
  weft::thread_pool pool(3);
  gate g;
  std::vector<weft::fiber<int>> jobs;
  for (int i = 0; i < 5; ++i)
    jobs.push_back(pool.spawn([&g, i] {
      g.pass();
      return i;
    }));
  until(g.entered, 3);
  weft::this_fiber::yield();
  CHECK(pool.threads() == 3);
  CHECK_FALSE(jobs[0].done());
  g.opened.set_value();
  CHECK(weft::joinall(jobs) == 5);
  for (int i = 0; i < 5; ++i) CHECK(jobs[static_cast<std::size_t>(i)].get() == i);
}

TEST_CASE("spawn hands the job in at once; its failure is in the handle") {
  weft::thread_pool pool(1);
  std::atomic<int> ran{0};
  auto ok = pool.spawn([&] { ++ran; });
  auto bad = pool.spawn([] { throw std::domain_error("no"); });
  until(ran, 1);  // without a single park here
  CHECK_THROWS_AS(bad.get(), std::domain_error);
  ok.get();
}

TEST_CASE("a cancelled wait leaves a running job its data; one that no thread had begun never runs") {
  weft::thread_pool pool(1);
  gate g;
  auto data = std::make_shared<std::atomic<int>>(0);
  auto running = weft::spawn([&] {
    pool.apply([&g, data] {
      g.pass();
      ++*data;
    });
  });
  weft::this_fiber::yield();
  until(g.entered, 1);
  auto queued = pool.spawn([] { FAIL("it ran"); });
  auto unbegun = pool.spawn([] { FAIL("it ran"); });
  unbegun.cancel();
  weft::this_fiber::yield();
  running.kill();
  queued.kill();
  CHECK(running.was_cancelled());
  CHECK(queued.was_cancelled());
  CHECK(data.use_count() >= 2);
  g.opened.set_value();
  CHECK(pool.apply([] { return 8; }) == 8);
  CHECK(data->load() == 1);
  CHECK(data.use_count() == 1);
}

TEST_CASE("the result of an abandoned job is destroyed on the fiber's OS thread, in a fiber") {
  static std::atomic<int> deaths{0};
  static std::thread::id where;
  struct result {
    bool live = true;
    result() = default;
    result(result&& o) noexcept : live(std::exchange(o.live, false)) {}
    ~result() {
      if (!live) return;
      weft::this_fiber::yield();
      where = std::this_thread::get_id();
      ++deaths;
    }
  };
  weft::thread_pool pool(1);
  gate g;
  auto f = weft::spawn([&] {
    pool.apply([&g] {
      g.pass();
      return result();
    });
  });
  weft::this_fiber::yield();
  until(g.entered, 1);
  f.kill();
  g.opened.set_value();
  while (deaths == 0) weft::this_fiber::yield();
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("a job in flight is nobody's deadlock, and the virtual clock waits for it") {
  weft::testing::virtual_clock clock;
  weft::thread_pool pool(1);
  CHECK(weft::move_on_after(1h, [&] { pool.apply([] { std::this_thread::sleep_for(5ms); }); }));
  CHECK(clock.elapsed() == 0s);
}

TEST_CASE("a pool that ends lets its jobs end, while other fibers run") {
  std::atomic<int> ran{0};
  gate g;
  bool other = false;
  auto opener = weft::spawn([&] {
    other = true;
    g.opened.set_value();
  });
  {
    weft::thread_pool pool(2);
    for (int i = 0; i < 10; ++i)
      pool.spawn([&] {
        g.pass();
        ++ran;
      });
  }
  CHECK(other);
  CHECK(ran == 10);
  opener.join();
}

TEST_CASE("the pool's threads block every signal") {
  weft::thread_pool pool(1);
  const bool all = pool.apply([] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1;
  });
  CHECK(all);
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  CHECK(sigismember(&mine, SIGTERM) == 0);
}

TEST_CASE("hubs of several OS threads share a pool") {
  weft::thread_pool pool(2);
  std::vector<std::thread> threads;
  std::atomic<int> sum{0};
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      std::vector<weft::fiber<>> fibers;
      for (int i = 0; i < 20; ++i) fibers.push_back(weft::spawn([&] { sum += pool.apply([] { return 1; }); }));
      weft::joinall(fibers, {.raise_error = true});
    });
  for (auto& t : threads) t.join();
  CHECK(sum == 60);
}

TEST_CASE("an OS thread may end while a job of its is running") {
  weft::thread_pool pool(1);
  gate g;
  std::thread([&] {
    weft::spawn([&] { pool.apply([&g] { g.pass(); }); });
    weft::this_fiber::yield();
    until(g.entered, 1);
  }).join();
  g.opened.set_value();
  CHECK(pool.apply([] { return 1; }) == 1);
}

TEST_CASE("the default pool is there for everybody") {
  CHECK(weft::default_thread_pool().apply([] { return 3; }) == 3);
  CHECK(weft::default_thread_pool().size() >= 5);
}
