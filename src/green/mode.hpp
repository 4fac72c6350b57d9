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

}  // namespace weft::green
