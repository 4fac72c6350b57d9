// The timer queue against a model that is too simple to be wrong: a std::multimap by deadline, FIFO among equals.
#include <doctest/doctest.h>

#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "core/timer_queue.hpp"

using weft::core::timer_queue;
using weft::detail::nanos;
using weft::detail::never;
using weft::detail::timer_node;

namespace {

struct timer : timer_node {
  std::multimap<nanos, timer*>::iterator in_model;
  std::vector<timer*>* log = nullptr;
  timer() {
    fire = [](timer_node* t) noexcept {
      auto* me = static_cast<timer*>(t);
      me->log->push_back(me);
    };
  }
};

// Drives queue and model alike and compares them after every step.
class pair_of_queues {
public:
  explicit pair_of_queues(std::size_t timers, nanos now) : timers_(timers), now_(now) {
    queue_->start(now);
    for (timer& t : timers_) t.log = &fired_;
  }

  void arm(std::size_t i, nanos deadline) {
    timer& t = timers_[i];
    if (t.position != 0) return;
    queue_->arm(t, deadline);
    t.in_model = model_.emplace(deadline, &t);
    compare();
  }
  void disarm(std::size_t i) {
    timer& t = timers_[i];
    if (t.position != 0) model_.erase(t.in_model);
    queue_->disarm(t);
    CHECK(t.position == 0);
    compare();
  }
  void advance_to(nanos now) {
    now_ = now;
    fired_.clear();
    const std::size_t count = queue_->expire(now);
    std::vector<timer*> expected;
    while (!model_.empty() && model_.begin()->first <= now) {
      expected.push_back(model_.begin()->second);
      model_.erase(model_.begin());
    }
    CHECK(count == expected.size());
    CHECK((fired_ == expected));
    compare();
  }
  nanos now() const { return now_; }
  nanos next() { return queue_->next_deadline(); }
  std::size_t size() const { return model_.size(); }

private:
  void compare() {
    CHECK(queue_->size() == model_.size());
    CHECK(queue_->empty() == model_.empty());
    CHECK(queue_->next_deadline() == (model_.empty() ? never : model_.begin()->first));
  }

  std::unique_ptr<timer_queue> queue_ = std::make_unique<timer_queue>();
  std::vector<timer> timers_;
  std::multimap<nanos, timer*> model_;
  std::vector<timer*> fired_;
  nanos now_;
};

constexpr nanos ms = 1'000'000, second = 1'000 * ms;

}  // namespace

TEST_CASE("an empty queue has no deadline and fires nothing") {
  timer_queue q;
  CHECK(q.empty());
  CHECK(q.next_deadline() == never);
  CHECK(q.expire(never - 1) == 0);
}

TEST_CASE("timers fire in the order of their deadlines, equal ones in the order in which they were armed") {
  pair_of_queues q(6, 0);
  q.arm(0, 5 * ms);
  q.arm(1, 3 * ms);
  q.arm(2, 5 * ms);
  q.arm(3, 3 * ms);
  q.arm(4, 4 * ms);
  q.arm(5, 5 * ms);
  q.advance_to(3 * ms - 1);
  q.advance_to(10 * ms);
}

TEST_CASE("equal deadlines stay in order when some were poured from the wheel and others armed behind its cursor") {
  pair_of_queues q(4, 0);
  q.arm(0, 300 * ms);
  q.arm(1, 300 * ms);
  CHECK(q.next() == 300 * ms);  // the cursor now stands behind that slot
  q.arm(2, 300 * ms);
  q.arm(3, 299 * ms);
  q.advance_to(300 * ms);
}

TEST_CASE("nothing fires a nanosecond early") {
  pair_of_queues q(1, 17);
  q.arm(0, 123'456'789);
  q.advance_to(123'456'788);
  CHECK(q.size() == 1);
  q.advance_to(123'456'789);
  CHECK(q.size() == 0);
}

TEST_CASE("deadlines on both sides of every level's boundary come out in order") {
  // A level of the wheel holds 64 times the span of the one below; the lowest slot is 2^20 ns.
  for (const nanos begin : {nanos{0}, nanos{63} << 20, (nanos{64} << 20) - 1, nanos{4095} << 20, (nanos{1} << 44) - 5}) {
    pair_of_queues q(400, begin);
    std::size_t i = 0;
    for (unsigned bit = 0; bit < 63; ++bit)
      for (const nanos around : {nanos{0}, nanos{1}, nanos{2}})
        if (const nanos span = (nanos{1} << bit) + around - 1; begin + span > begin) q.arm(i++, begin + span);
    while (q.size() != 0 && q.next() != never) q.advance_to(q.next());
  }
}

TEST_CASE("deadlines centuries away are kept, exactly, to the end of the clock") {
  pair_of_queues q(8, 1'000 * second);
  q.arm(0, never - 1);
  q.arm(1, nanos{1} << 63);
  q.arm(2, (nanos{1} << 62) + 7);
  q.arm(3, (nanos{1} << 62) - 7);
  q.arm(4, (nanos{3} << 62) + (nanos{5} << 40));
  q.arm(5, 2'000 * second);
  q.disarm(1);
  while (q.size() != 0 && q.next() != never) q.advance_to(q.next());
}

TEST_CASE("a deadline in the past fires at the next look") {
  pair_of_queues q(3, 50 * second);
  q.arm(0, 60 * second);
  q.arm(1, 1);
  q.arm(2, 0);
  q.advance_to(50 * second);
  CHECK(q.size() == 1);
}

TEST_CASE("disarming takes a timer out wherever it is, and an idle one is left alone") {
  pair_of_queues q(5, 0);
  q.disarm(0);
  for (std::size_t i = 0; i < 5; ++i) q.arm(i, 7 * second);  // one wheel slot: first, middle and last of its list
  q.disarm(2);
  q.disarm(0);
  q.disarm(4);
  q.disarm(4);
  q.disarm(3);
  q.disarm(1);
  CHECK(q.next() == never);
}

TEST_CASE("a timer that re-arms itself when it fires waits for the next look, and keeps no other from firing") {
  struct again : timer_node {
    timer_queue* q;
    int fired = 0;
  };
  timer_queue q;
  again first, second_timer;
  for (again* a : {&first, &second_timer}) a->q = &q;
  // In the past each time: without care it would stand in front of the other for ever.
  first.fire = [](timer_node* t) noexcept {
    auto* me = static_cast<again*>(t);
    ++me->fired;
    me->q->arm(*me, 1);
  };
  second_timer.fire = [](timer_node* t) noexcept { ++static_cast<again*>(t)->fired; };
  q.arm(first, 10);
  q.arm(second_timer, 20);
  CHECK(q.expire(100) == 2);
  CHECK(first.fired == 1);
  CHECK(second_timer.fired == 1);
  CHECK(q.size() == 1);
  CHECK(q.expire(100) == 1);
  CHECK(first.fired == 2);
  q.disarm(first);
}

TEST_CASE("a timer disarmed by another that fires at the same moment does not fire") {
  struct killer : timer_node {
    timer_queue* q;
    timer_node* victim;
  };
  timer_queue q;
  std::vector<timer*> log;
  timer victim;
  victim.log = &log;
  killer k;
  k.q = &q;
  k.victim = &victim;
  k.fire = [](timer_node* t) noexcept { static_cast<killer*>(t)->q->disarm(*static_cast<killer*>(t)->victim); };
  q.arm(k, 5);
  q.arm(victim, 5);
  CHECK(q.expire(5) == 1);
  CHECK(log.empty());
  CHECK(q.empty());
}

TEST_CASE("a queue and its model agree through random arming, disarming and passing of time") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    pair_of_queues q(200, random() >> (random() % 64));
    for (int step = 0; step < 2'000; ++step) {
      const std::size_t i = random() % 200;
      switch (random() % 8) {
        case 0: case 1: case 2: case 3: {
          // Spans of every magnitude, and often one that is taken already.
          const nanos span = random() >> (20 + random() % 44);
          const nanos at = q.now() + (random() % 3 == 0 ? span & ~nanos{0xfffff} : span);
          q.arm(i, at < q.now() || at == never ? never - 1 : at);
          break;
        }
        case 4: q.arm(i, q.now() - random() % (q.now() + 1)); break;
        case 5: q.disarm(i); break;
        case 6:
          if (q.size() != 0 && q.next() > q.now()) q.advance_to(q.next());
          break;
        case 7: {
          const nanos to = q.now() + (random() >> (24 + random() % 40));
          if (to >= q.now() && to != never) q.advance_to(to);
          break;
        }
      }
    }
  }
}
