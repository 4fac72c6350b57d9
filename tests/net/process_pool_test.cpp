// What run_in_process and process_pool promise: results and failures from other processes, nothing left behind by cancellation.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <list>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/process_pool.hpp>
#include <weft/stream.hpp>

using namespace std::chrono_literals;

namespace {
int square(int n) { return n * n; }
struct point {
  int x, y;
};
}  // namespace

TEST_CASE("a function runs in another process, with all that this one has, and its result comes back") {
  const pid_t here = getpid();
  const std::string captured = "captured";
  int changed = 1;
  const auto [there, text] = weft::run_in_process([&] {
    changed = 2;
    return std::pair(static_cast<int>(getpid()), captured + " text");
  });
  CHECK(there != here);
  CHECK(text == "captured text");
  CHECK(changed == 1);
  CHECK(weft::run_in_process(square, 12) == 144);
  weft::run_in_process([] {});
  const auto many = weft::run_in_process([] { return std::vector<std::string>(1000, std::string(1000, 'x')); });
  CHECK(many.size() == 1000);
  CHECK(many.back().size() == 1000);
}

TEST_CASE("other fibers run meanwhile, and several processes at once") {
  int beats = 0;
  auto heart = weft::spawn([&] {
    for (;;) {
      weft::this_fiber::sleep_for(1ms);
      ++beats;
    }
  });
  std::vector<weft::fiber<int>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(weft::spawn([i] {
      return weft::run_in_process([i] {
        usleep(30'000);
        return i;
      });
    }));
  for (int i = 0; i < 4; ++i) CHECK(all[static_cast<std::size_t>(i)].get() == i);
  CHECK(beats > 0);
  heart.kill();
}

TEST_CASE("what is thrown over there is thrown here, with its type's name; a crash is told as one") {
  try {
    weft::run_in_process([]() -> int { throw std::out_of_range("too far"); });
    FAIL("nothing was thrown");
  } catch (const weft::process_error& e) {
    CHECK(std::string(e.what()) == "too far");
    CHECK(e.type() == "std::out_of_range");
  }
  CHECK_THROWS_WITH_AS(weft::run_in_process([] { std::raise(SIGKILL); }),
                       "the worker process ended without an answer: signal 9 (Killed)", weft::process_error);
  CHECK_THROWS_WITH_AS(weft::run_in_process([] { _exit(3); }), "the worker process ended without an answer: exit code 3",
                       weft::process_error);
}

TEST_CASE("a worker may use Weft itself, beside no fiber of its parent") {
  bool ran = false;
  auto other = weft::spawn([&] {
    weft::this_fiber::sleep_for(20ms);
    ran = true;
  });
  const int sum = weft::run_in_process([&] {
    auto a = weft::spawn([] {
      weft::this_fiber::sleep_for(50ms);
      return 1;
    });
    auto b = weft::spawn([] { return 2; });
    return a.get() + b.get() + (ran ? 100 : 0);
  });
  CHECK(sum == 3);
  other.join();
}

TEST_CASE("a cancelled call leaves no process behind") {
  int fds[2];
  REQUIRE(pipe(fds) == 0);
  CHECK_FALSE(weft::move_on_after(50ms, [&] {
    weft::run_in_process([&] {
      close(fds[0]);
      for (;;) pause();
    });
  }));
  close(fds[1]);
  char c;
  CHECK(read(fds[0], &c, 1) == 0);  // the copy's end is closed: it is gone
  close(fds[0]);
}

TEST_CASE("a pool's workers take one call after another, with arguments and results of every kind") {
  weft::process_pool pool(2);
  CHECK(pool.size() == 2);
  CHECK(pool.apply(square, 5) == 25);
  CHECK(pool.apply([](std::string a, std::vector<int> b) { return a + std::to_string(b.size()); }, std::string("n="), std::vector{1, 2}) ==
        "n=2");
  CHECK(pool.apply([](point p) { return point{p.y, p.x}; }, point{1, 2}).x == 2);
  int plain = 7;
  CHECK(pool.apply([plain](int n) { return plain + n; }, 1) == 8);
  pool.apply([] {});
  const std::vector<int> items{1, 2, 3, 4, 5, 6, 7};
  CHECK(pool.map(square, items) == std::vector{1, 4, 9, 16, 25, 36, 49});
  auto later = pool.spawn([](int n) { return n; }, 3);
  CHECK(later.get() == 3);
  // Two workers, and always the same two.
  std::map<int, int> pids;
  for (int i = 0; i < 10; ++i) ++pids[pool.apply([] { return static_cast<int>(getpid()); })];
  CHECK(pids.size() <= 2);
}

TEST_CASE("a failure leaves the worker in use; a crash or a cancelled call replaces it") {
  weft::process_pool pool(1);
  const int first = pool.apply([] { return static_cast<int>(getpid()); });
  CHECK_THROWS_WITH_AS(pool.apply([]() -> int { throw std::logic_error("no"); }), "no", weft::process_error);
  CHECK(pool.apply([] { return static_cast<int>(getpid()); }) == first);
  CHECK_THROWS_AS(pool.apply([] { std::raise(SIGKILL); }), weft::process_error);
  const int second = pool.apply([] { return static_cast<int>(getpid()); });
  CHECK(second != first);
  CHECK_FALSE(weft::move_on_after(30ms, [&] {
    pool.apply([] {
      for (;;) pause();
    });
  }));
  CHECK(pool.apply([] { return static_cast<int>(getpid()); }) != second);
  CHECK_THROWS_WITH(pool.map([](int n) { return n == 2 ? throw std::runtime_error("two") : n; }, std::vector{1, 2, 3}), "two");
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("a worker that dies while nobody uses it is replaced before the next call") {
  weft::process_pool pool(1);
  const pid_t first = pool.apply([] { return getpid(); });
  REQUIRE(kill(first, SIGKILL) == 0);
  siginfo_t over{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(first), &over, WEXITED | WNOWAIT) == 0);
  CHECK(pool.apply([] { return getpid(); }) != first);
}

TEST_CASE("a call that is cancelled when its answer has come gives its worker back") {
  weft::process_pool pool(1);
  auto [mine, theirs] = weft::stream::pair();
  auto call = pool.spawn([] {
    usleep(20'000);
    return 1;
  });
  auto canceller = weft::spawn([&, &s = mine] {
    s.read_exactly(1);
    call.cancel();
  });
  weft::this_fiber::sleep_for(1ms);  // both wait now
  theirs.write_all("x");
  usleep(200'000);  // most likely the answer is there when the hub looks, and behind the byte
  weft::joinall(std::vector<weft::any_fiber>{call, canceller});
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("containers of whatever travels travel, too") {
  using table = std::map<std::string, std::vector<point>>;
  const table t = weft::run_in_process([] { return table{{"a", {{1, 2}, {3, 4}}}, {"b", {}}}; });
  REQUIRE(t.size() == 2);
  CHECK(t.at("a").at(1).y == 4);
  CHECK(weft::run_in_process([] { return std::vector<bool>{true, false, true}; }) == std::vector<bool>{true, false, true});
  CHECK(weft::run_in_process([] { return std::list<std::set<int>>{{2, 1}, {}}; }) == std::list<std::set<int>>{{1, 2}, {}});
  const auto many = weft::run_in_process([] { return std::vector<char>(5'000'000, 'x'); });
  CHECK(many.size() == 5'000'000);
  CHECK(many.back() == 'x');
  weft::process_pool pool(1);
  CHECK(pool.apply([](std::map<int, int> m) { return m.at(1); }, std::map<int, int>{{1, 2}}) == 2);
}

TEST_CASE("a worker that is killed in the middle of its answer is told as one that gave none") {
  int fds[2];
  REQUIRE(pipe(fds) == 0);
  auto call = weft::spawn([&] {
    return weft::run_in_process([&] {
      const pid_t me = getpid();
      static_cast<void>(write(fds[1], &me, sizeof me));
      return std::string(20'000'000, 'x');
    });
  });
  weft::this_fiber::yield();
  // Nobody reads the answer meanwhile, so a part of it, or nothing yet, is on its way.
  pid_t worker = 0;
  REQUIRE(read(fds[0], &worker, sizeof worker) == sizeof worker);
  usleep(30'000);
  REQUIRE(kill(worker, SIGKILL) == 0);
  CHECK_THROWS_WITH_AS(call.get(), "the worker process ended without an answer: signal 9 (Killed)", weft::process_error);
  close(fds[0]);
  close(fds[1]);
}

TEST_CASE("processes that a worker leaves behind hold up nobody") {
  int fds[2];
  REQUIRE(pipe(fds) == 0);
  const pid_t left = weft::run_in_process([&] {
    const pid_t child = fork();
    if (child == 0) {
      char c;
      close(fds[1]);
      static_cast<void>(read(fds[0], &c, 1));
      _exit(0);
    }
    return child;
  });
  CHECK(kill(left, 0) == 0);  // it runs still
  close(fds[0]);
  close(fds[1]);
}

TEST_CASE("what a worker has printed comes out, also what std::cout keeps by itself, and once") {
  char name[] = "/tmp/weft-worker-XXXXXX";
  const int file = mkstemp(name);
  REQUIRE(file >= 0);
  unlink(name);
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    dup2(file, 1);
    std::ios::sync_with_stdio(false);
    std::cout << "before\n";
    weft::run_in_process([] {
      std::cout << "over there\n";
      std::printf("plain\n");
    });
    std::cout << "after\n" << std::flush;
    _exit(0);
  }
  int status = -1;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
  char text[200] = "";
  CHECK(pread(file, text, sizeof text - 1, 0) > 0);
  close(file);
  CHECK(std::string(text) == "before\nplain\nover there\nafter\n");
}
