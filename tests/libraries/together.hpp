// What every library test begins with and ends with: many fibers at once, in one OS thread, and the proof that Weft made them wait.
// Relies on run.py, which says by WEFT_TEST_WAY how Weft comes in: by patch_all() here, or by the preloaded shim, through either
// door. A run in which no site is patched (no function interposed) or no fiber parked is a failure, whatever the library answered.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <weft/patch.hpp>
#include <weft/weft.hpp>

namespace weft_test {

inline constexpr int many = 100;

inline std::string setting(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) throw std::runtime_error(std::string(name) + " is not set: run this by `meson test`");
  return text;
}

inline int setting_number(const char* name) { return std::stoi(setting(name)); }

// Lets Weft in, in the way that run.py chose. The shim must have patched before main.
inline void let_weft_in() {
  if (setting("WEFT_TEST_WAY") == "patch_all()") weft::patch_all();
  const bool by_symbols = setting("WEFT_TEST_WAY") == "symbols";
  REQUIRE((weft::patch_info().sites_patched > 0) == !by_symbols);
  REQUIRE((weft::patch_info().symbols > 0) == by_symbols);
}

// fn(0) .. fn(n - 1), each in a fiber of this OS thread; returns when all are done. A failure in one fails the test. While they run,
// `meanwhile` is what main does. At least one park a fiber is demanded.
template <class Fn, class Meanwhile>
void together(int n, Fn fn, Meanwhile meanwhile) {
  let_weft_in();
  const auto before = weft::this_hub().stats();
  const auto thread = gettid();
  int on_this_thread = 0;
  weft::task_group group;  // the first failure cancels the rest
  group.run([&] {
    for (int i = 0; i < n; ++i)
      group.spawn([&, i] {
        on_this_thread += gettid() == thread;
        fn(i);
      });
    meanwhile();
  });
  CHECK(on_this_thread == n);
  CHECK(weft::this_hub().stats().parks - before.parks >= static_cast<unsigned>(n));
}

template <class Fn>
void together(int n, Fn fn) {
  together(n, fn, [] {});
}

// 100 connections whose servers sleep for them: are they all asleep at once? `connect()`, `sleep(connection, i, seconds)` in a fiber,
// `count(connection)` asks the server how many sleep. A machine under load may take longer than a sleep to start them all: then they
// sleep longer.
template <class Connect, class Sleep, class Count>
void sleep_at_once(Connect connect, Sleep sleep, Count count) {
  int most = 0;
  for (double seconds = 0.2; most < many && seconds < 10; seconds *= 2) {
    int connected = 0, done = 0;
    weft::event all_connected;
    together(
        many,
        [&](int i) {
          const auto c = connect();
          if (++connected == many) all_connected.set();
          all_connected.wait();
          sleep(c, i, std::to_string(seconds));
          ++done;
        },
        [&] {
          const auto c = connect();
          all_connected.wait();
          while (done < many) {
            most = std::max(most, count(c));
            weft::this_fiber::sleep_for(std::chrono::milliseconds(5));
          }
        });
  }
  CHECK(most == many);
}

}  // namespace weft_test
