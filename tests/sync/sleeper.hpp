// A fiber that others are to wait for: sleeps so many seconds, and gives that number, or fails.
#pragma once

#include <chrono>
#include <stdexcept>

#include <weft/fiber.hpp>

inline weft::fiber<int> sleeper(int seconds, bool fails = false) {
  return weft::spawn([=] {
    weft::this_fiber::sleep_for(std::chrono::seconds(seconds));
    if (fails) throw std::runtime_error("failed");
    return seconds;
  });
}
