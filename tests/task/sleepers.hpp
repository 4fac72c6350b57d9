// A task and a fiber that sleep for some seconds and give their number.
#pragma once

#include <chrono>
#include <stdexcept>

#include <weft/weft.hpp>

inline weft::task<int> sleeper(int seconds, bool fails = false) {
  co_await weft::async::sleep_for(std::chrono::seconds(seconds));
  if (fails) throw std::runtime_error("failed");
  co_return seconds;
}

inline weft::fiber<int> fiber_sleeper(int seconds) {
  return weft::spawn([=] {
    weft::this_fiber::sleep_for(std::chrono::seconds(seconds));
    return seconds;
  });
}
