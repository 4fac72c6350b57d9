// Boost.Context's assembly, declared here: its own header needs a standard library with floating point.
#pragma once

#include <cstddef>

namespace weft::core {

// What jump_fcontext returns, in registers: where the jump came from, and the pointer that came along.
struct transfer_t {
  void* fctx;
  void* data;
};

extern "C" {
transfer_t jump_fcontext(void* to, void* data);
void* make_fcontext(void* stack_top, std::size_t size, void (*entry)(transfer_t));
// Calls `fn` on top of the suspended context `to`, which resumes when it returns.
transfer_t ontop_fcontext(void* to, void* data, transfer_t (*fn)(transfer_t));
}

}  // namespace weft::core
