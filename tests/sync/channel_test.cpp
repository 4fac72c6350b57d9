// What weft::channel and weft::select promise: meeting, buffering, closing, one case exactly, fairness, nothing lost.
#include <doctest/doctest.h>

#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/channel.hpp>
#include <weft/event.hpp>
#include <weft/fiber.hpp>
#include <weft/select.hpp>
#include <weft/testing.hpp>
#include <weft/timer.hpp>

#include "chaos.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

TEST_CASE("without a buffer a send waits for its receiver") {
  weft::testing::virtual_clock clock;
  weft::channel<int> c;
  std::vector<std::string> log;
  auto sender = weft::spawn([&] {
    c.send(1);
    log.push_back("sent");
    c.send(2);
  });
  weft::testing::wait_all_blocked();
  CHECK(log.empty());
  CHECK(c.size() == 0);
  CHECK(c.receive() == 1);
  weft::this_fiber::yield();
  CHECK(log.size() == 1);
  CHECK(c.try_receive() == 2);
  CHECK_FALSE(c.try_receive());
  CHECK_FALSE(c.try_send(3));
  CHECK_FALSE(c.send_for(3, 1s));
  CHECK_THROWS_AS(c.receive_for(1s), weft::timeout_error);
  CHECK(clock.elapsed() == 2s);
  sender.get();
}

TEST_CASE("a buffer takes its capacity; order is kept through buffer and waiting senders") {
  weft::channel<std::unique_ptr<int>> c(2);
  auto sender = weft::spawn([&] {
    for (int i = 0; i < 6; ++i) c.send(std::make_unique<int>(i));
    c.close();
  });
  weft::testing::wait_all_blocked();
  CHECK(c.size() == 2);
  CHECK_FALSE(c.try_send(nullptr));
  int expected = 0;
  for (auto& item : c) CHECK(*item == expected++);
  CHECK(expected == 6);
  CHECK_FALSE(c.receive());
  CHECK_THROWS_AS(c.send(nullptr), weft::queue_closed);
  CHECK_THROWS_AS(c.try_send(nullptr), weft::queue_closed);
}

TEST_CASE("close wakes senders with queue_closed and receivers with nothing") {
  weft::channel<int> c, d;
  auto sender = weft::spawn([&] { c.send(1); });
  auto receiver = weft::spawn([&] { return d.receive(); });
  weft::testing::wait_all_blocked();
  c.close();
  d.close();
  d.close();
  CHECK_THROWS_AS(sender.get(), weft::queue_closed);
  CHECK(receiver.get() == std::nullopt);
  CHECK_FALSE(c.receive());
}

TEST_CASE("a cancelled receiver takes nothing along, a cancelled sender has sent nothing") {
  weft::channel<int> c;
  auto receiver = weft::spawn([&] { return c.receive(); });
  auto next = weft::spawn([&] { return c.receive(); });
  weft::this_fiber::yield();
  receiver.cancel();
  c.send(1);
  CHECK(next.get() == 1);
  auto sender = weft::spawn([&] { c.send(2); });
  weft::this_fiber::yield();
  sender.kill();
  CHECK_FALSE(c.try_receive());
}

TEST_CASE("select does the one case that can be done") {
  weft::testing::virtual_clock clock;
  weft::channel<int> numbers(1);
  weft::channel<std::string> words;
  std::string got;
  const auto look = [&] {
    return weft::select(weft::on_receive(numbers, [&](std::optional<int> n) { got = n ? std::to_string(*n) : "closed"; }),
                        weft::on_receive(words, [&](std::optional<std::string> w) { got = w.value_or("closed"); }),
                        weft::on_timeout(5s, [&] { got = "late"; }));
  };
  numbers.send(4);
  CHECK(look() == 0);
  CHECK(got == "4");
  auto later = weft::spawn_later(2s, [&] { words.send("word"); });
  CHECK(look() == 1);
  CHECK(got == "word");
  CHECK(clock.elapsed() == 2s);
  CHECK(look() == 2);
  CHECK(got == "late");
  CHECK(clock.elapsed() == 7s);
  numbers.close();
  CHECK(look() == 0);
  CHECK(got == "closed");
}

TEST_CASE("select sends too, and moves out only what was sent") {
  weft::channel<std::unique_ptr<int>> a, b;
  auto receiver = weft::spawn([&] { return **b.receive(); });
  weft::testing::wait_all_blocked();
  CHECK(weft::select(weft::on_send(a, std::make_unique<int>(1), [] {}), weft::on_send(b, std::make_unique<int>(2), [] {})) == 1);
  CHECK(receiver.get() == 2);
  // Two selects meet.
  auto other = weft::spawn([&] {
    int got = 0;
    weft::select(weft::on_receive(a, [&](auto item) { got = **item; }), weft::on_receive(b, [&](auto item) { got = -**item; }));
    return got;
  });
  weft::testing::wait_all_blocked();
  CHECK(weft::select(weft::on_send(a, std::make_unique<int>(3), [] {})) == 0);
  CHECK(other.get() == 3);
  a.close();
  CHECK_THROWS_AS(weft::select(weft::on_send(a, nullptr, [] {})), weft::queue_closed);
}

TEST_CASE("a select that sends and receives on one channel does not meet itself") {
  weft::testing::virtual_clock clock;
  weft::channel<int> c;
  bool late = false;
  weft::select(weft::on_send(c, 1, [] {}), weft::on_receive(c, [] {}), weft::on_timeout(1s, [&] { late = true; }));
  CHECK(late);
  CHECK_FALSE(c.try_receive());
}

TEST_CASE("a case whose channel is null is never the one") {
  weft::channel<int>* const none = nullptr;
  weft::channel<int> c(1);
  for (int i = 0; i < 20; ++i) {
    c.send(i);
    CHECK(weft::select(weft::on_receive(none, [] {}), weft::on_send(none, 1, [] {}), weft::on_receive(&c, [] {})) == 2);
  }
  weft::testing::virtual_clock clock;
  CHECK(weft::select(weft::on_receive(none, [] {}), weft::on_timeout(1s, [] {})) == 1);
}

TEST_CASE("or_else keeps select from parking") {
  weft::channel<int> c;
  bool other = false;
  CHECK(weft::select(weft::on_receive(c, [] {}), weft::or_else([&] { other = true; })) == 1);
  CHECK(other);
}

TEST_CASE("select waits for fibers and events as well") {
  weft::testing::virtual_clock clock;
  weft::event e;
  auto f = weft::spawn([] { sleep_for(2s); });
  weft::call_later(1s, [&] { e.set(); });
  CHECK(weft::select(weft::on_done(f, [] {}), weft::on_done(e, [] {})) == 1);
  e.clear();
  CHECK(weft::select(weft::on_done(f, [] {}), weft::on_done(e, [] {})) == 0);
  CHECK(clock.elapsed() == 2s);
  weft::any_fiber me = weft::this_fiber::current();
  CHECK_THROWS_AS(weft::select(weft::on_done(me, [] {})), weft::self_join);
}

TEST_CASE("of several cases that could be done each has its share") {
  weft::channel<int> a(1), b(1), c(1);
  int count[3] = {};
  for (int i = 0; i < 3000; ++i) {
    for (auto* ch : {&a, &b, &c}) ch->try_send(i);
    ++count[weft::select(weft::on_receive(a, [] {}), weft::on_receive(b, [] {}), weft::on_receive(c, [] {}))];
  }
  for (const int n : count) CHECK(n > 800);
}

TEST_CASE("a cancelled select leaves no place in line behind") {
  weft::channel<int> a, b;
  auto f = weft::spawn([&] { weft::select(weft::on_receive(a, [] {}), weft::on_send(b, 1, [] {})); });
  weft::this_fiber::yield();
  f.kill();
  CHECK(f.was_cancelled());
  CHECK_FALSE(a.try_send(1));
  CHECK_FALSE(b.try_receive());
}

TEST_CASE("under shuffled schedules, timeouts and cancellation every item that was sent is received once") {
  chaos::under_all_seeds([](chaos::world& w) {
    weft::channel<int> rendezvous, buffered(2);
    std::vector<int> sent(20), received(20);
    for (int i = 0; i < 20; ++i)
      w.start([&, i] {
        w.nap();
        const auto i_ = static_cast<std::size_t>(i);
        if (w.roll.one_in(2)) {
          // Sent means that the call came back: the cancellation of a call that was served waits for the next one.
          weft::select(weft::on_send(rendezvous, i, [&] { ++sent[i_]; }), weft::on_send(buffered, i, [&] { ++sent[i_]; }),
                       weft::on_timeout(w.moment(), [] {}));
        } else if (rendezvous.send_for(i, w.moment())) {
          ++sent[i_];
        }
      });
    for (int i = 0; i < 10; ++i)
      w.start([&] {
        const auto take = [&](std::optional<int> n) {
          if (n) ++received[static_cast<std::size_t>(*n)];
        };
        for (int j = 0; j < 3; ++j) {
          w.nap();
          weft::select(weft::on_receive(rendezvous, take), weft::on_receive(buffered, take), weft::on_timeout(w.moment(), [] {}));
        }
      });
    w.finish();
    while (auto n = buffered.try_receive()) ++received[static_cast<std::size_t>(*n)];
    if (sent != received) FAIL("lost or doubled");
  });
}
