// WEFT_MODE=green: from now on pthreads are green threads.
#pragma once

#include "weft/detail/runtime.hpp"

namespace weft::green {

// For the shim's constructor, before the sites are rewritten: those that only green threads need are then rewritten, too. Does nothing
// unless the environment asks for green threads.
WEFT_API void expect();

// For the shim's constructor, when the sites are rewritten. Does nothing unless the environment asks for it. Says on standard error
// why when it cannot be; false then.
WEFT_API bool prepare();

// For fibers with a thread control block of their own (own_thread.cpp), in a program whose other threads are the kernel's: patches what is
// not patched yet. False where that cannot be.
bool prepare_for_own();

}  // namespace weft::green
