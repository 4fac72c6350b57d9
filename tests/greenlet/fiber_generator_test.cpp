// What weft::fiber_generator promises: values from any depth, send, throw_in, close, delegation, results; moved, abandoned, waiting.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/fiber_generator.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
template <class T, class S = void, class R = void>
using generator = weft::fiber_generator<T, S, R>;

namespace {
generator<int> count(int n) {
  return generator<int>([n](auto& yield) {
    for (int i = 0; i < n; ++i) yield(i);
  });
}
template <class G>
std::vector<int> all(G&& g) {
  std::vector<int> v;
  for (int n : g) v.push_back(n);
  return v;
}
}  // namespace

TEST_CASE("values come one at a time, and then nothing") {
  auto g = count(3);
  CHECK_FALSE(g.done());
  CHECK(g.next() == 0);
  CHECK(g.next() == 1);
  auto moved = std::move(g);
  CHECK(moved.next() == 2);
  CHECK_FALSE(moved.done());
  CHECK_FALSE(moved.next());
  CHECK(moved.done());
  CHECK_FALSE(moved.next());
  CHECK(all(count(5)) == std::vector{0, 1, 2, 3, 4});
  CHECK(all(count(0)).empty());
}

TEST_CASE("it yields from the depth of a recursion") {
  struct node {
    int value;
    std::unique_ptr<node> left, right;
  };
  std::function<std::unique_ptr<node>(int, int)> tree = [&](int from, int to) -> std::unique_ptr<node> {
    if (from >= to) return nullptr;
    const int mid = (from + to) / 2;
    return std::make_unique<node>(node{mid, tree(from, mid), tree(mid + 1, to)});
  };
  const auto root = tree(0, 100);
  generator<int> in_order([&](auto& yield) {
    const auto walk = [&](const auto& self, const node* n) -> void {
      if (n == nullptr) return;
      self(self, n->left.get());
      yield(n->value);
      self(self, n->right.get());
    };
    walk(walk, root.get());
  });
  int expected = 0;
  for (int n : in_order) CHECK(n == expected++);
  CHECK(expected == 100);
}

TEST_CASE("send: the yield returns what was sent, nothing for next") {
  generator<double, double> average([](auto& yield) {
    double sum = 0;
    int n = 0;
    for (;;) {
      const std::optional<double> v = yield(n == 0 ? 0 : sum / n);
      if (!v) return;
      sum += *v;
      ++n;
    }
  });
  CHECK_THROWS_AS(average.send(1), weft::greenlet_error);
  CHECK(average.next() == 0);
  CHECK(average.send(10) == 10);
  CHECK(average.send(20) == 15);
  CHECK_FALSE(average.next());
  CHECK(average.done());
}

TEST_CASE("throw_in arrives at the yield; what the function throws arrives at the asker") {
  generator<int> g([](auto& yield) {
    try {
      yield(1);
    } catch (const std::exception& e) {
      yield(static_cast<int>(std::string(e.what()).size()));
    }
    throw std::logic_error("end");
  });
  CHECK(g.next() == 1);
  CHECK(g.throw_in(std::make_exception_ptr(std::runtime_error("four"))) == 4);
  CHECK_THROWS_WITH(g.next(), "end");
  CHECK(g.done());
  CHECK_FALSE(g.next());
  CHECK_THROWS_AS(g.result(), weft::greenlet_error);
  CHECK_THROWS_WITH(g.throw_in(std::make_exception_ptr(std::runtime_error("late"))), "late");
  auto unborn = count(3);
  CHECK_THROWS_WITH(unborn.throw_in(std::make_exception_ptr(std::runtime_error("early"))), "early");
  CHECK(unborn.done());
}

TEST_CASE("close, and destruction, unwind it") {
  int unwound = 0;
  struct mark {
    int& count;
    ~mark() { ++count; }
  };
  const auto body = [&](auto& yield) {
    mark m{unwound};
    for (;;) yield(1);
  };
  generator<int> g(body);
  g.next();
  g.close();
  g.close();
  CHECK(unwound == 1);
  CHECK(g.done());
  {
    generator<int> h(body);
    h.next();
    generator<int> unborn(body);
  }
  CHECK(unwound == 2);
  generator<int> stubborn([](auto& yield) {
    try {
      yield(1);
    } catch (const weft::greenlet_exit&) {
    }
    yield(2);
  });
  stubborn.next();
  CHECK_THROWS_AS(stubborn.close(), weft::greenlet_error);
  CHECK_FALSE(stubborn.next());
}

TEST_CASE("yield.from delegates values, sends, throws, and returns the result") {
  std::string log;
  const auto inner = [&] {
    return generator<int, int, std::string>([&](auto& yield) {
      std::string got;
      for (int i = 1; i <= 2; ++i) try {
          if (auto v = yield(i)) got += std::to_string(*v);
        } catch (const std::runtime_error& e) {
          got += e.what();
        }
      log += "inner ";
      return got;
    });
  };
  generator<int, int, std::string> outer([&](auto& yield) {
    yield(0);
    const std::string from_inner = yield.from(inner());
    yield.from(std::vector{7, 8});
    return "outer got " + from_inner;
  });
  CHECK(outer.next() == 0);
  CHECK(outer.next() == 1);
  CHECK(outer.send(5) == 2);
  CHECK(outer.throw_in(std::make_exception_ptr(std::runtime_error("!"))) == 7);
  CHECK(outer.next() == 8);
  CHECK_FALSE(outer.next());
  CHECK(outer.result() == "outer got 5!");
  // Closing the outer one closes the inner.
  bool closed = false;
  generator<int> nested([&](auto& yield) {
    yield.from(generator<int>([&](auto& y) {
      struct mark {
        bool& flag;
        ~mark() { flag = true; }
      } m{closed};
      y(1);
    }));
  });
  nested.next();
  nested.close();
  CHECK(closed);
}

TEST_CASE("a generator that asks itself is told so") {
  generator<int>* self = nullptr;
  generator<int> g([&](auto& yield) { yield(*self->next()); });
  self = &g;
  CHECK_THROWS_WITH_AS(g.next(), "the generator is running already", weft::greenlet_error);
}

TEST_CASE("generators feed generators, inside greenlets too") {
  auto numbers = count(10);
  generator<int> even([&](auto& yield) {
    for (int n : numbers)
      if (n % 2 == 0) yield(n);
  });
  generator<int> squares([&](auto& yield) {
    for (int n : even) yield(n * n);
  });
  weft::greenlet g([&] { return all(squares); });
  CHECK(g.switch_to().take<std::vector<int>>() == std::vector{0, 4, 16, 36, 64});
}

TEST_CASE("one may wait, and be asked by one fiber after another") {
  weft::testing::virtual_clock clock;
  generator<int> ticks([](auto& yield) {
    for (int i = 0;; ++i) {
      weft::this_fiber::sleep_for(1s);
      yield(i);
    }
  });
  for (int i = 0; i < 3; ++i) CHECK(weft::spawn([&] { return *ticks.next(); }).get() == i);
  CHECK(ticks.next() == 3);
  CHECK(clock.elapsed() == 4s);
  // A timeout around next() cuts off its wait, and ends it.
  CHECK_FALSE(weft::move_on_after(500ms, [&] { ticks.next(); }));
  CHECK(ticks.done());
  // Begun in a fiber that is over, ended by another one.
  bool unwound = false;
  auto left = weft::spawn([&] {
                generator<int> g([&](auto& yield) {
                  struct mark {
                    bool& flag;
                    ~mark() { flag = true; }
                  } m{unwound};
                  yield(1);
                  yield(2);
                });
                g.next();
                return std::make_shared<generator<int>>(std::move(g));
              }).get();
  CHECK_FALSE(unwound);
  CHECK(left->next() == 2);
  left.reset();
  CHECK(unwound);
  auto begun = std::make_shared<generator<int>>(count(3));
  begun->next();
  CHECK(weft::spawn([&] { return *begun->next(); }).get() == 1);
}

TEST_CASE("another OS thread is refused while it is suspended") {
  auto g = count(3);
  g.next();
  std::thread([&] { CHECK_THROWS_AS(g.next(), weft::greenlet_error); }).join();
  CHECK(g.next() == 1);
}
