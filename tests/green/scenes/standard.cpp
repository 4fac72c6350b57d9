// The C++ library's threads, locks, futures and tasks.
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <shared_mutex>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "../green.h"

#define GROUP "standard"

using namespace std::chrono_literals;

// They lie on each thread's stack, where they leave a small one no room.
static thread_local char large[64 * 1024];

PLAY(large_thread_local_variables) {
  long sum = 0;
  std::vector<std::thread> all;
  std::mutex m;
  for (int i = 0; i < 10; ++i)
    all.emplace_back([&, i] {
      for (char& c : large) c += static_cast<char>(i);
      std::this_thread::sleep_for(100us);
      const std::lock_guard lock(m);
      sum += std::accumulate(std::begin(large), std::end(large), 0L);
    });
  for (auto& t : all) t.join();
  say("%ld, main's %d", sum, large[0]);
}

PLAY(std_threads) {
  std::atomic<int> sum = 0;
  std::vector<std::thread> all;
  for (int i = 0; i < 20; ++i)
    all.emplace_back([&sum, i] {
      std::this_thread::sleep_for(100us);
      std::this_thread::yield();
      sum += i;
    });
  for (auto& t : all) t.join();
  say("%d, joinable %d", sum.load(), all[0].joinable());
  std::map<std::thread::id, int> ids;
  std::mutex m;
  all.clear();
  for (int i = 0; i < 10; ++i)
    all.emplace_back([&] {
      const std::scoped_lock lock(m);
      ++ids[std::this_thread::get_id()];
      std::this_thread::sleep_for(100us);
    });
  for (auto& t : all) t.join();
  say("%zu ids or fewer: %d", std::size_t{10}, ids.size() <= 10);
}

PLAY(jthread_and_stop_token) {
  std::mutex m;
  std::condition_variable_any cv;
  std::binary_semaphore called(0);
  int rounds = 0;
  {
    std::jthread t([&](std::stop_token stop) {
      std::unique_lock lock(m);
      while (!cv.wait(lock, stop, [] { return false; }) && !stop.stop_requested()) ++rounds;
      called.acquire();
      say("stopped: %d", stop.stop_requested());
    });
    std::stop_callback callback(t.get_stop_token(), [&called] {
      say("callback");
      called.release();
    });
    std::this_thread::sleep_for(1ms);
    t.request_stop();
    t.join();
  }
  say("rounds %d", rounds);
}

PLAY(async_and_futures) {
  std::vector<std::future<int>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(std::async(std::launch::async, [i] {
      std::this_thread::sleep_for(std::chrono::microseconds(i * 50 % 300));
      return i * i;
    }));
  int sum = 0;
  for (auto& f : all) sum += f.get();
  say("%d", sum);
  auto failing = std::async(std::launch::async, []() -> int { throw std::runtime_error("a reason"); });
  try {
    failing.get();
  } catch (const std::exception& e) {
    say("caught %s", e.what());
  }
  std::promise<int> promise;
  auto shared = promise.get_future().share();
  say("wait_for: %s", shared.wait_for(1ms) == std::future_status::timeout ? "timeout" : "ready");
  std::vector<std::thread> waiting;
  std::atomic<int> total = 0;
  for (int i = 0; i < 5; ++i) waiting.emplace_back([&total, shared] { total += shared.get(); });
  promise.set_value(7);
  for (auto& t : waiting) t.join();
  say("%d", total.load());
  std::packaged_task<int(int)> task([](int x) { return x + 1; });
  auto result = task.get_future();
  std::thread(std::move(task), 41).join();
  say("%d", result.get());
  std::promise<int> at_exit;
  auto late = at_exit.get_future();
  std::thread([p = std::move(at_exit)]() mutable { p.set_value_at_thread_exit(3); }).join();
  say("%d", late.get());
  { std::promise<int> broken; result = broken.get_future(); }
  try {
    result.get();
  } catch (const std::future_error& e) {
    say("%s", e.code() == std::future_errc::broken_promise ? "broken promise" : "otherwise");
  }
}

PLAY(locks) {
  std::timed_mutex timed;
  std::recursive_mutex recursive;
  std::shared_mutex shared;
  std::shared_timed_mutex shared_timed;
  timed.lock();
  std::thread([&] { say("timed: %d", timed.try_lock_for(1ms)); }).join();
  timed.unlock();
  std::thread([&] { say("timed: %d", timed.try_lock_until(std::chrono::steady_clock::now() + 1s)); timed.unlock(); }).join();
  recursive.lock();
  say("recursive: %d", recursive.try_lock());
  std::thread([&] { say("recursive of another: %d", recursive.try_lock()); }).join();
  shared.lock_shared();
  std::thread([&] { say("shared: %d %d", shared.try_lock_shared(), shared.try_lock()); }).join();
  shared_timed.lock();
  std::thread([&] { say("shared timed: %d", shared_timed.try_lock_shared_for(1ms)); }).join();
  shared_timed.unlock();
  long count = 0;
  std::vector<std::thread> all;
  std::mutex a, b;
  for (int i = 0; i < 6; ++i)
    all.emplace_back([&, i] {
      for (int j = 0; j < 300; ++j) {
        if (i % 2) {
          const std::scoped_lock lock(a, b);
          ++count;
        } else {
          const std::scoped_lock lock(b, a);
          ++count;
        }
      }
    });
  for (auto& t : all) t.join();
  say("%ld", count);
}

PLAY(latch_barrier_semaphore) {
  std::latch ready(5), go(1);
  std::vector<std::jthread> all;
  std::atomic<int> sum = 0;
  for (int i = 0; i < 5; ++i)
    all.emplace_back([&] {
      ready.count_down();
      go.wait();
      ++sum;
    });
  ready.wait();
  say("before: %d", sum.load());
  go.count_down();
  all.clear();
  say("after: %d", sum.load());
  int phases = 0;
  std::barrier meet(4, [&phases]() noexcept { ++phases; });
  for (int i = 0; i < 4; ++i)
    all.emplace_back([&] {
      for (int j = 0; j < 50; ++j) meet.arrive_and_wait();
    });
  all.clear();
  say("phases %d", phases);
  std::counting_semaphore<3> gate(3);
  std::atomic<int> inside = 0, most = 0;
  for (int i = 0; i < 8; ++i)
    all.emplace_back([&] {
      gate.acquire();
      const int now = ++inside;
      int m = most.load();
      while (now > m && !most.compare_exchange_weak(m, now)) {}
      std::this_thread::sleep_for(100us);
      --inside;
      gate.release();
    });
  all.clear();
  say("at most three: %d; %d", most.load() <= 3, gate.try_acquire_for(1ms));
}

PLAY(atomic_wait_and_notify) {
  std::atomic<int> word = 0;
  std::vector<std::jthread> all;
  for (int i = 0; i < 4; ++i)
    all.emplace_back([&word, i] {
      for (int v = word.load(); v < 100; v = word.load())
        if (v % 4 == i) {
          ++word;
          word.notify_all();
        } else {
          word.wait(v);
        }
    });
  all.clear();
  say("%d", word.load());
  std::atomic_flag flag;
  std::jthread waits([&] { flag.wait(false); say("flag"); });
  flag.test_and_set();
  flag.notify_one();
}

PLAY(condition_variables) {
  std::mutex m;
  std::condition_variable cv;
  std::deque<int> q;
  long sum = 0;
  std::jthread consumer([&] {
    for (;;) {
      std::unique_lock lock(m);
      cv.wait(lock, [&] { return !q.empty(); });
      const int v = q.front();
      q.pop_front();
      if (v < 0) return;
      sum += v;
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const std::scoped_lock lock(m);
    q.push_back(i);
    cv.notify_one();
  }
  { const std::scoped_lock lock(m); q.push_back(-1); }
  cv.notify_one();
  consumer.join();
  say("%ld", sum);
  std::unique_lock lock(m);
  say("%d", cv.wait_for(lock, 1ms, [] { return false; }));
  std::thread ends([&] {
    std::unique_lock own(m);
    std::notify_all_at_thread_exit(cv, std::move(own));
  });
  lock.unlock();
  ends.join();
}

struct counted {
  static std::atomic<int> made, gone;
  int value = 0;
  counted() { ++made; }
  ~counted() { ++gone; }
};
std::atomic<int> counted::made, counted::gone;
static thread_local counted own;
static thread_local std::string own_text = "as at first";

PLAY(thread_local_objects) {
  std::vector<std::thread> all;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 10; ++i)
    all.emplace_back([&wrong, i] {
      wrong += own.value != 0 || own_text != "as at first";
      own.value = i;
      own_text = std::string(100, static_cast<char>('a' + i));
      for (int r = 0; r < 3; ++r) {
        std::this_thread::sleep_for(100us);
        wrong += own.value != i || own_text[50] != 'a' + i;
      }
    });
  for (auto& t : all) t.join();
  say("%d made, %d gone, %d wrong", counted::made.load(), counted::gone.load(), wrong.load());
}

PLAY(call_once_with_exceptions) {
  std::once_flag once;
  int attempts = 0;
  std::vector<std::thread> all;
  for (int i = 0; i < 6; ++i)
    all.emplace_back([&] {
      try {
        std::call_once(once, [&] {
          if (++attempts < 3) throw 1;
        });
      } catch (int) {}
    });
  for (auto& t : all) t.join();
  say("%d", attempts);
}

static int slow_value() {
  std::this_thread::sleep_for(2ms);
  return 5;
}

PLAY(local_statics) {
  std::vector<std::thread> all;
  std::atomic<int> sum = 0;
  for (int i = 0; i < 8; ++i)
    all.emplace_back([&] {
      static const int value = slow_value();
      sum += value;
    });
  for (auto& t : all) t.join();
  say("%d", sum.load());
}

PLAY(shared_pointers) {
  auto p = std::make_shared<counted>();
  std::weak_ptr<counted> weak = p;
  std::vector<std::thread> all;
  for (int i = 0; i < 6; ++i)
    all.emplace_back([p] {
      for (int j = 0; j < 20000; ++j) auto copy = p;
    });
  p.reset();
  for (auto& t : all) t.join();
  say("expired %d", weak.expired());
}

PLAY(streams_in_threads) {
  std::vector<std::future<std::string>> all;
  for (int i = 0; i < 8; ++i)
    all.push_back(std::async(std::launch::async, [i] {
      std::ostringstream out;
      for (int j = 0; j < 2000; ++j) out << i << ' ' << j * 0.5 << '\n';
      return std::to_string(std::hash<std::string>()(out.str()));
    }));
  for (auto& f : all) say("%s", f.get().c_str());
}

PLAY_ENDS(an_exception_that_nobody_catches, "signal 6") {
  have_company();
  std::thread([] { throw std::runtime_error("nobody catches it"); }).join();
}

PLAY_ENDS(a_thread_that_is_not_joined, "signal 6") {
  have_company();
  std::thread t([] { std::this_thread::sleep_for(100s); });
}

// A thread made before main, joined in the scene.
static std::atomic<int> made_early;
static std::thread early([] { made_early = 5; });

PLAY(a_thread_of_static_initialisation) {
  if (early.joinable()) early.join();
  say("%d", made_early.load());
}

struct join_early {
  ~join_early() {
    if (early.joinable()) early.detach();
  }
};
static join_early at_the_end;
