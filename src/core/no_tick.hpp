// Ordinary C++ of Weft's that runs on a green thread's stack, called by the program: it is not preempted, since it counts on switches
// only where it parks.
#pragma once

#include "weft/detail/runtime.hpp"

namespace weft::core {

class no_tick {
public:
  no_tick() noexcept {
    if (detail::try_hub() == nullptr) return;
    detail::fiber_base* f = detail::current_fiber();
    if (!f->green || (f->call & detail::no_tick) != 0) return;
    f_ = f;
    asm volatile("orb %1, %0" : "+m"(f->call) : "i"(detail::no_tick) : "memory", "cc");
  }
  ~no_tick() {
    if (f_ != nullptr) asm volatile("andb %1, %0" : "+m"(f_->call) : "i"(0xff ^ detail::no_tick) : "memory", "cc");
  }
  no_tick(const no_tick&) = delete;
  no_tick& operator=(const no_tick&) = delete;

private:
  detail::fiber_base* f_ = nullptr;
};

}  // namespace weft::core
