// What the echo servers on Weft do when they serve: wait until their standard input ends, and print what the hub counted. bench/run fails a
// run whose server never parked.
#pragma once

#include <weft/weft.hpp>

#include <cstdio>
#include <unistd.h>

// `more`: what stands before it in the printed object.
[[noreturn]] inline void serve_until_input_ends(const char* more = "") {
  char byte;
  while (weft::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  const auto parks = static_cast<unsigned long long>(weft::this_hub().stats().parks);
  std::printf("{%s\"parks\": %llu}\n", more, parks);
  std::fflush(stdout);
  ::_exit(parks > 0 ? 0 : 1);
}
