// What weft::shared_mutex promises: readers together, writers alone, nobody overtakes, nobody who gives up leaves others stuck.
#include <doctest/doctest.h>

#include <mutex>
#include <shared_mutex>
#include <string>
#include <system_error>
#include <vector>

#include <weft/fiber.hpp>
#include <weft/shared_mutex.hpp>
#include <weft/testing.hpp>

#include "chaos.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

TEST_CASE("readers share, a writer is alone, and a reader behind a waiting writer waits too") {
  weft::testing::virtual_clock clock;
  weft::shared_mutex m;
  std::string log;
  const auto reader = [&](char name) {
    std::shared_lock hold(m);
    log += name;
    sleep_for(1s);
  };
  const auto writer = [&](char name) {
    std::unique_lock hold(m);
    CHECK(m.readers() == 0);
    log += name;
    sleep_for(1s);
  };
  std::vector<weft::fiber<>> all{weft::spawn(reader, 'a'), weft::spawn(reader, 'b'), weft::spawn(writer, 'W'),
                                 weft::spawn(reader, 'c'), weft::spawn(reader, 'd'), weft::spawn(writer, 'X')};
  weft::joinall(all, {.raise_error = true});
  CHECK(log == "abWcdX");
  CHECK(clock.elapsed() == 4s);
}

TEST_CASE("try and timed locks; a writer that gives up lets the readers behind it in") {
  weft::testing::virtual_clock clock;
  weft::shared_mutex m;
  m.lock_shared();
  CHECK(m.try_lock_shared());
  CHECK_FALSE(m.try_lock());
  auto writer = weft::spawn([&] { return m.try_lock_for(1s); });
  weft::this_fiber::yield();
  CHECK_FALSE(m.try_lock_shared());
  auto reader = weft::spawn([&] { m.lock_shared(); });
  CHECK_FALSE(writer.get());
  reader.get();
  CHECK(clock.elapsed() == 1s);
  CHECK(m.readers() == 3);
  auto second = weft::spawn([&] { m.lock(); });
  auto behind = weft::spawn([&] { m.lock_shared(); });
  weft::testing::wait_all_blocked();
  second.cancel();
  behind.get();
  for (int i = 0; i < 4; ++i) m.unlock_shared();
  CHECK_THROWS_AS(m.unlock_shared(), weft::not_owner);
  CHECK_THROWS_AS(m.unlock(), weft::not_owner);
  m.lock();
  CHECK_THROWS_AS(m.lock(), std::system_error);
  CHECK_THROWS_AS(m.lock_shared(), std::system_error);
  CHECK_THROWS_AS(m.try_lock_shared_for(0s), std::system_error);
  m.unlock();
}

TEST_CASE("under shuffled schedules, timeouts and cancellation writers are alone and nobody is forgotten") {
  chaos::under_all_seeds([](chaos::world& w) {
    weft::shared_mutex m;
    int inside = 0;
    bool writing = false;
    for (int i = 0; i < 12; ++i)
      w.start([&] {
        for (int j = 0; j < 3; ++j) {
          w.limited([&] {
            if (w.roll.one_in(3)) {
              std::unique_lock hold(m);
              if (inside != 0 || writing) FAIL("a writer is not alone");
              writing = true;
              struct leave {
                bool& flag;
                ~leave() { flag = false; }
              } l{writing};
              w.nap();
            } else {
              std::shared_lock hold(m);
              if (writing) FAIL("a reader beside a writer");
              ++inside;
              struct leave {
                int& count;
                ~leave() { --count; }
              } l{inside};
              w.nap();
            }
          });
          w.nap();
        }
      });
    w.finish();
    if (!m.try_lock()) FAIL("somebody left it locked");
    m.unlock();
  });
}
