// For programs that play the same on the kernel's threads and on green ones, and are run both ways.
#pragma once

#include <cstdlib>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>

// Whether this run is to be green.
inline bool wants_green() {
  const char* mode = std::getenv("WEFT_MODE");
  return mode != nullptr && std::string_view(mode) == "green";
}

// Whether the calling thread is: no kernel gives such an id.
inline bool is_green() { return gettid() >= 1 << 24; }

// Calls `body` in another thread.
template <class F>
void in_thread(F body) {
  std::thread(std::move(body)).join();
}
