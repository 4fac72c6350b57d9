// weft ps and bt upon fibers that wait for Weft's own locks: who holds them, deadlocks among them; how old fibers are; greenlets that are
// suspended.
#include "looked_at.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;
using namespace weft_test;

namespace {

std::string address_of(const void* p) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", p);
  return text;
}

// The word behind `name` in what a subject says.
std::string word_after(const std::string& said, const std::string& name) {
  const std::size_t at = said.find(name + " ") + name.size() + 1;
  return said.substr(at, said.find(' ', at) - at);
}

void let_all_run() {
  for (int i = 0; i < 20; ++i) weft::this_fiber::yield();
}

}  // namespace

extern "C" {
[[gnu::noinline]] void switch_back_from_deep(weft::greenlet& to) {
  to.switch_to();
  asm volatile("" ::: "memory");
}
}

TEST_CASE("subject: fibers hold and wait for locks of Weft's" * doctest::skip()) {
  alarm(50);
  weft::mutex left, right, third;
  weft::recursive_mutex again;
  weft::shared_mutex read_locked, write_locked;
  auto keeper = weft::spawn({.name = "keeper"}, [&] {
    third.lock();
    again.lock();
    read_locked.lock_shared();
    write_locked.lock();
    weft::this_fiber::sleep_for(1h);
  });
  auto lefty = weft::spawn({.name = "lefty"}, [&] {
    left.lock();
    while (!right.is_locked()) weft::this_fiber::yield();
    right.lock();
  });
  auto righty = weft::spawn({.name = "righty"}, [&] {
    right.lock();
    while (!left.is_locked()) weft::this_fiber::yield();
    left.lock();
  });
  let_all_run();
  std::vector<weft::fiber<>> others;
  const auto start = [&](const char* name, auto body) { others.push_back(weft::spawn({.name = name}, body)); };
  start("behind", [&] { left.lock(); });
  start("recursive", [&] { again.lock(); });
  start("writes", [&] { read_locked.lock(); });
  start("reads", [&] { write_locked.lock_shared(); });
  auto task = weft::spawn([](weft::mutex& m) -> weft::task<> { auto held = co_await weft::async::lock(m); }(third));
  let_all_run();
  say("left " + address_of(&left) + " right " + address_of(&right) + " third " + address_of(&third) + " again " + address_of(&again) +
      " read " + address_of(&read_locked) + " write " + address_of(&write_locked) + " \n");
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("who holds a lock of Weft's is named, and a deadlock among them") {
  subject s("subject: fibers hold and wait for locks of Weft's");
  REQUIRE(s.says(" \n"));
  const std::string ps = weft_test::weft({"ps", s.id()}).out;
  CAPTURE(ps);
  const auto lock = [&](const char* name) { return "lock " + word_after(s.said, name) + " held by 0x"; };
  CHECK(has(line_with(ps, " lefty "), lock("right")));
  CHECK(has(line_with(ps, " lefty "), "(righty)"));
  CHECK(has(line_with(ps, " righty "), lock("left")));
  CHECK(has(line_with(ps, " righty "), "(lefty)"));
  CHECK(has(line_with(ps, " behind "), lock("left")));
  CHECK(has(line_with(ps, " behind "), "(lefty)"));
  CHECK(has(line_with(ps, " recursive "), lock("again")));
  CHECK(has(line_with(ps, " recursive "), "(keeper)"));
  CHECK(has(line_with(ps, " reads "), lock("write")));
  CHECK(has(line_with(ps, " reads "), "(keeper)"));
  CHECK(has(line_with(ps, " writes "), "lock " + word_after(s.said, "read") + " held by 1 reader"));
  CHECK(has(line_with(ps, " task "), lock("third")));
  CHECK(has(line_with(ps, " task "), "(keeper)"));
  CHECK(count_of(ps, "deadlock: ") == 1);
  CHECK(has(line_with(ps, "(lefty) waits for"), "the lock " + word_after(s.said, "right") + ", which 0x"));
  CHECK(has(line_with(ps, "(lefty) waits for"), "(righty) holds"));
  CHECK(has(line_with(ps, "(righty) waits for"), "the lock " + word_after(s.said, "left") + ", which 0x"));
  const std::string groups = weft_test::weft({"ps", "--group", s.id()}).out;
  CHECK(has(line_with(groups, " behind "), lock("left")));
  const std::string json = weft_test::weft({"ps", "--json", s.id()}).out;
  CHECK(has(json, "\"lock\": \"" + word_after(s.said, "read") + "\", \"readers\": 1"));
  CHECK(s.end() == 0);
}

TEST_CASE("subject: fibers of different ages, and one that fails slowly" * doctest::skip()) {
  alarm(50);
  auto old = weft::spawn({.name = "old"}, [] { weft::this_fiber::sleep_for(1h); });
  auto failing = weft::spawn({.name = "failing"}, [] {
    struct lingers {
      ~lingers() { weft::this_fiber::sleep_for(1h); }
    };
    static weft::fiber_local<std::shared_ptr<lingers>> last;
    last.get() = std::make_shared<lingers>();
    throw std::runtime_error("with nobody to see it");
  });
  weft::this_fiber::sleep_for(300ms);
  auto young = weft::spawn({.name = "young"}, [] { weft::this_fiber::sleep_for(1h); });
  auto task = weft::spawn([]() -> weft::task<> { co_await weft::async::sleep_for(1h); }());
  let_all_run();
  auto unborn = weft::spawn({.name = "unborn"}, [] {});
  say("here \n");
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("each fiber's age is told, of one that has not begun, too") {
  subject s("subject: fibers of different ages, and one that fails slowly");
  REQUIRE(s.says(" \n"));
  const std::string json = weft_test::weft({"ps", "--json", s.id()}).out;
  CAPTURE(json);
  const auto age = [&](const std::string& mark) -> std::uint64_t {
    const std::size_t fiber = json.find(mark), at = json.find("\"age_ns\": ", fiber), end = json.find('}', fiber);
    return fiber < at && at < end ? std::stoull(json.substr(at + 10)) : 0;
  };
  const std::uint64_t old = age("\"name\": \"old\""), young = age("\"name\": \"young\""), task = age("\"kind\": \"task\"");
  CHECK(young > 0);
  CHECK(task > 0);
  CHECK(old >= young + 290'000'000);  // one sleep of 300 ms lies between the two, and coarse clocks
  CHECK(age("\"kind\": \"main\"") >= old);
  CHECK(age("\"name\": \"unborn\"") > 0);
  CHECK(age("\"name\": \"unborn\"") <= young + 10'000'000);
  CHECK(age("\"name\": \"failing\"") == 0);  // its place is the exception's by now
  CHECK(has(weft_test::weft({"ps", s.id()}).out, "AGE"));
  CHECK(s.end() == 0);
}

TEST_CASE("subject: greenlets and a generator are suspended" * doctest::skip()) {
  alarm(50);
  auto fiber = weft::spawn({.name = "walker"}, [] {
    auto own = weft::greenlet::current();
    weft::greenlet first([&] { switch_back_from_deep(own); });
    weft::greenlet second([&] {
      weft::this_fiber::sleep_for(1h);  // on this stack the fiber stands while it is looked at
    });
    weft::fiber_generator<int> numbers([](auto& yield) { yield(1); });
    (void)numbers.next();
    first.switch_to();
    second.switch_to();
  });
  let_all_run();
  say("here \n");
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("suspended greenlets are listed with their fiber, and their stacks are shown") {
  subject s("subject: greenlets and a generator are suspended");
  REQUIRE(s.says(" \n"));
  const std::string ps = weft_test::weft({"ps", s.id()}).out;
  CAPTURE(ps);
  CHECK(has(ps, "2 fibers on 1 OS thread: "));
  CHECK(has(ps, "; 2 suspended greenlets\n"));
  const std::string walker = line_with(ps, " walker ");
  const std::string who = walker.substr(0, walker.find(' '));
  CHECK(has(walker, "parked"));
  CHECK(count_of(ps, "  greenlet  ") == 1);  // the one on which the fiber stands is the fiber
  CHECK(has(line_with(ps, "  greenlet  "), "a switch to it, in " + who + " (walker)"));
  CHECK(has(line_with(ps, "  greenlet  "), "suspended"));
  CHECK(has(line_with(ps, "  generator  "), "a switch to it, in " + who + " (walker)"));
  CHECK(has(line_with(ps, "  own stack  "), "its greenlets, in " + who + " (walker)"));
  const std::string bt = weft_test::weft({"bt", s.id()}).out;
  CAPTURE(bt);
  CHECK(has(paragraph_with(bt, "greenlet 0x"), "suspended, of " + who + " (walker)"));
  CHECK(has(paragraph_with(bt, "greenlet 0x"), "switch_back_from_deep"));
  CHECK(has(paragraph_with(bt, "\"walker\""), "parked in sleep"));
  CHECK(s.end() == 0);
}
