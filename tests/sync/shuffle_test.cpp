// The sync primitives under the shuffling scheduler, with timeouts and cancellations mixed in at random: under every seed nothing is
// lost, nobody is woken for somebody else, who waits first is served first, and the counts balance at the end.
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

#include <weft/condition_variable.hpp>
#include <weft/event.hpp>
#include <weft/hub.hpp>
#include <weft/mutex.hpp>
#include <weft/queue.hpp>
#include <weft/semaphore.hpp>
#include <weft/task_group.hpp>

#include "chaos.hpp"

using namespace chaos;

namespace {

// CHECK is slow and these run by the million: only failures go to doctest.
void expect(bool ok, const char* what) {
  if (!ok) FAIL(std::string(what));
}

// One holder at a time, and grants in the order of asking: `asked` numbers are taken in the same step as the lock is asked for.
struct exclusive {
  std::uint64_t next = 1, last_granted = 0;
  int inside = 0;
  std::uint64_t grants = 0;
  std::uint64_t ask() { return next++; }
  void enter(std::uint64_t number) {
    expect(number > last_granted, "overtaken in the queue for a lock");
    last_granted = number;
    expect(++inside == 1, "two hold the lock");
    ++grants;
  }
  void leave() { --inside; }
};

template <class Lock>
void contend(world& w, Lock& lock) {
  exclusive model;
  for (int i = 0; i < 6; ++i)
    w.start([&] {
      for (int round = 0; round < 4; ++round) {
        w.limited([&] {
          std::unique_lock<Lock> guard(lock, std::defer_lock);
          const std::uint64_t number = model.ask();
          if (w.roll.one_in(3)) {
            if (!guard.try_lock_for(w.moment())) return;
          } else {
            guard.lock();
          }
          model.enter(number);
          struct leaver {
            exclusive& m;
            ~leaver() { m.leave(); }
          } leave{model};
          w.nap();
        });
        w.nap();
      }
    });
  w.finish();
  expect(model.grants > 0, "nobody ever got the lock");
  expect(lock.try_lock(), "a lock stayed locked");
  lock.unlock();
}

}  // namespace

TEST_CASE("a mutex under 1,000 seeds: exclusive, in order, free at the end") {
  under_all_seeds([](world& w) {
    weft::mutex m;
    contend(w, m);
  });
}

TEST_CASE("a recursive mutex under 1,000 seeds") {
  under_all_seeds([](world& w) {
    weft::recursive_mutex m;
    contend(w, m);
  });
}

TEST_CASE("a semaphore of one under 1,000 seeds is as good as a mutex") {
  under_all_seeds([](world& w) {
    weft::semaphore s(1);
    contend(w, s);
    expect(s.value() == 1, "permits do not balance");
  });
}

TEST_CASE("a semaphore of several under 1,000 seeds: never more inside, all permits back") {
  under_all_seeds([](world& w) {
    const std::size_t permits = 1 + w.roll.below(3);
    weft::bounded_semaphore s(permits);
    std::size_t inside = 0, most = 0;
    for (int i = 0; i < 7; ++i)
      w.start([&] {
        for (int round = 0; round < 3; ++round) {
          w.limited([&] {
            if (w.roll.one_in(3)) {
              if (!s.try_acquire_for(w.moment())) return;
            } else {
              s.acquire();
            }
            const std::unique_lock permit(s, std::adopt_lock);
            most = std::max(most, ++inside);
            struct leaver {
              std::size_t& n;
              ~leaver() { --n; }
            } leave{inside};
            w.nap();
          });
          w.nap();
        }
      });
    w.finish();
    expect(most <= permits, "more inside than there are permits");
    expect(inside == 0 && s.value() == permits, "permits do not balance");
  });
}

TEST_CASE("a queue under 1,000 seeds: what was put is got once, each putter's items in order") {
  under_all_seeds([](world& w) {
    weft::queue<std::pair<int, int>> q(w.roll.below(4));
    std::set<std::pair<int, int>> accepted, received;
    const auto took = [&](std::map<int, int>& last, std::pair<int, int> item) {
      expect(received.insert(item).second, "an item came twice");
      expect(item.second > last[item.first], "one putter's items changed their order");
      last[item.first] = item.second;
      q.task_done();
    };
    for (int p = 0; p < 4; ++p)
      w.start([&, p] {
        for (int i = 1; i <= 6; ++i) {
          const std::pair item(p, i);
          w.limited([&] {
            if (w.roll.one_in(4) ? q.put_for(item, w.moment()) : (q.put(item), true)) accepted.insert(item);
          });
          if (w.roll.one_in(2)) w.nap();
        }
      });
    std::vector<weft::fiber<>> getters;
    for (int g = 0; g < 3; ++g)
      getters.push_back(weft::spawn([&] {
        std::map<int, int> last;
        for (int i = 0; i < 4; ++i) {
          w.limited([&] {
            if (w.roll.one_in(3)) {
              if (auto item = q.get_for(w.moment())) took(last, *item);
            } else {
              took(last, q.get());
            }
          });
          if (w.roll.one_in(2)) w.nap();
        }
      }));
    // One that stays to the end, so that putters are never stuck for good.
    auto drain = weft::spawn([&] {
      std::map<int, int> last;
      for (const auto& item : q) {
        took(last, item);
        if (w.roll.one_in(3)) w.nap();
      }
    });
    for (auto& g : getters)
      if (w.roll.one_in(3)) {
        w.nap();
        g.cancel();
      }
    w.finish();
    q.join();
    q.close();
    drain.get();
    weft::joinall(getters);
    for (auto& g : getters) {
      try {
        g.get();
      } catch (const weft::queue_closed&) {
      } catch (const weft::fiber_cancelled&) {
      }
    }
    expect(q.empty(), "items are left");
    expect(accepted == received, "what was put and what was got differ");
  });
}

TEST_CASE("a condition variable under 1,000 seeds: no notification is lost, and every token is taken once") {
  under_all_seeds([](world& w) {
    weft::mutex m;
    weft::condition_variable cv;
    int tokens = 0, made = 0, taken = 0, waiting = 0;
    for (int i = 0; i < 6; ++i)
      w.start([&] {
        for (int round = 0; round < 3; ++round) {
          w.limited([&] {
            std::unique_lock lock(m);
            struct in_wait {
              int& n;
              explicit in_wait(int& count) : n(count) { ++n; }
              ~in_wait() { --n; }
            } count(waiting);
            if (w.roll.one_in(3)) {
              if (!cv.wait_for(lock, w.moment(), [&] { return tokens > 0; })) return;
            } else {
              while (tokens == 0) {
                cv.wait(lock);
                expect(lock.owns_lock(), "a wait ended without the lock");
              }
            }
            --tokens;
            ++taken;
          });
          if (w.roll.one_in(3)) w.nap();
        }
      });
    for (int i = 0; i < 8; ++i) {
      w.nap();
      std::unique_lock lock(m, std::defer_lock);
      if (w.roll.one_in(2)) lock.lock();
      ++tokens;
      ++made;
      cv.notify_one();
      if (lock.owns_lock() && w.roll.one_in(2)) w.nap();
      if (w.roll.one_in(4)) w.fibers[w.roll.below(w.fibers.size())].cancel();
    }
    weft::this_fiber::sleep_for(1s);
    expect(tokens == 0 || waiting == 0, "somebody waits beside a token: a notification was lost");
    expect(made == tokens + taken, "tokens do not balance");
    for (auto& f : w.fibers) f.cancel();
    w.join();
    expect(waiting == 0 && m.try_lock(), "the lock stayed locked");
    m.unlock();
  });
}

TEST_CASE("an event under 1,000 seeds: whoever waits when it is set goes on") {
  under_all_seeds([](world& w) {
    weft::event e;
    int waiting = 0, sets = 0, woken = 0;
    for (int i = 0; i < 8; ++i)
      w.start([&] {
        for (int round = 0; round < 3; ++round) {
          const int before = sets;
          const bool was_set = e.is_set();
          struct in_wait {
            int& n;
            explicit in_wait(int& count) : n(count) { ++n; }
            ~in_wait() { --n; }
          } count(waiting);
          w.limited([&] {
            const bool told = w.roll.one_in(3) ? e.wait_for(w.moment()) : (e.wait(), true);
            if (!told) return;
            expect(was_set || sets > before, "woken without a set");
            ++woken;
          });
        }
      });
    for (int i = 0; i < 3; ++i) {
      w.nap();
      e.set();
      ++sets;
      if (w.roll.one_in(2)) e.clear();
    }
    e.clear();
    weft::this_fiber::sleep_for(1s);
    e.set();
    ++sets;
    e.clear();
    weft::testing::wait_all_blocked();
    e.set();
    ++sets;
    w.finish();
    expect(waiting == 0, "somebody still waits");
    expect(woken > 0, "nobody was ever woken");
  });
}

TEST_CASE("task groups under 1,000 seeds: no child is left, the first failure is thrown, the others are kept") {
  // Groups that a timeout leaves unjoined report their failures, as they should: by the hundred here.
  int reported = 0;
  weft::on_error([&](const weft::unobserved_failure&) { ++reported; });
  under_all_seeds([](world& w) {
    int alive = 0;
    struct living {
      int& n;
      explicit living(int& count) : n(count) { ++n; }
      ~living() { --n; }
    };
    const auto child = [&](std::vector<std::string>* failures, int number) {
      const living me(alive);
      const auto fail = [&] {
        if (failures == nullptr) return;
        failures->push_back(std::to_string(number));
        throw std::runtime_error(failures->back());
      };
      try {
        for (int i = 0; i < 3; ++i) w.nap();
        if (w.roll.one_in(4)) fail();
        w.nap();
      } catch (const weft::cancelled&) {
        if (w.roll.one_in(4)) weft::shield([&] { w.nap(); });
        if (w.roll.one_in(4)) fail();
        throw;
      }
    };
    for (int host = 0; host < 3; ++host)
      w.start([&] {
        std::vector<std::string> failures;
        weft::task_group g;
        std::string thrown;
        try {
          w.limited([&] {
            const auto body = [&] {
              for (int i = 0; i < 4; ++i) {
                auto f = g.spawn(child, &failures, i);
                if (w.roll.one_in(5)) w.nap();
                if (w.roll.one_in(6)) f.cancel();
              }
              g.spawn([&] {
                weft::task_group inner;
                inner.spawn(child, nullptr, 0);
                inner.spawn(child, nullptr, 1);
                inner.join();
              });
              if (w.roll.one_in(6)) g.cancel();
            };
            if (w.roll.one_in(2)) {
              g.run(body);
            } else {
              body();
              g.join();
            }
          });
        } catch (const std::runtime_error& e) {
          thrown = e.what();
        }
        // A timeout before the join leaves the children to the destructor.
        if (g.size() != 0) return;
        if (thrown.empty()) return;
        expect(!failures.empty() && thrown == failures.front(), "what was thrown is not the first failure");
        expect(g.errors().size() == failures.size() - 1, "failures were lost");
      });
    w.finish();
    expect(alive == 0, "a child outlived its group");
  });
  weft::on_error({});
  CHECK((reported > 0 || number_from("WEFT_TEST_SEED", 0) != 0));
}
