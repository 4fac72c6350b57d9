// What the programs of this folder share: a clock and a voice. The clock is virtual, so that hours take no time and the order is
// exact; with STYLES_REAL set it is the real one.
#pragma once

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <optional>

class stage {
public:
  stage() {
    if (std::getenv("STYLES_REAL") == nullptr) clock_.emplace();
  }
  // Seconds since the start.
  double now() const {
    const auto passed = clock_ ? clock_->elapsed() : std::chrono::steady_clock::now() - began_;
    return std::chrono::duration<double>(passed).count();
  }
  // A line, with the time in front.
  [[gnu::format(printf, 2, 3)]] void say(const char* format, ...) const {
    std::printf("%4.1f s  ", now());
    va_list values;
    va_start(values, format);
    std::vprintf(format, values);
    va_end(values);
    std::putchar('\n');
  }

private:
  std::optional<weft::testing::virtual_clock> clock_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};
