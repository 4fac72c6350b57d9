// System calls as a rewritten site makes them: the handler first, the kernel's own instruction when it passes.
#pragma once

#include "io/dispatch.hpp"
#include "sys/syscall.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

namespace weft_test {

inline const weft::io::door_entry* site_row(long nr) {
  const weft::io::door_entry* found = nullptr;
  weft::io::each_door([&](const weft::io::door_entry& r) {
    if (r.nr == nr) found = &r;
  });
  return found;
}

// Whether the last call of this thread went to the kernel as it was.
inline thread_local bool site_passed = false;

template <class... Args>
long site_call(long nr, Args... args) {
  long words[6] = {weft::sys::detail::word(args)...};
  weft::io::door_frame frame{words[0], words[1], words[2], words[3], words[4], words[5]};
  const weft::io::door_answer answer = site_row(nr)->handle.call(&frame, nr);
  site_passed = answer.pass != 0;
  return site_passed ? weft::sys::raw(nr, words[0], words[1], words[2], words[3], words[4], words[5]) : answer.result;
}

// A second fiber, so that there is somebody to run meanwhile.
struct site_companion {
  site_companion() : f(weft::spawn([] { weft::this_fiber::sleep_for(std::chrono::hours(1000)); })) {
    weft::testing::wait_all_blocked();
  }
  ~site_companion() { f.kill(); }
  weft::fiber<> f;
};

}  // namespace weft_test
