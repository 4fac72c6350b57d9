// What the shim asks before it goes past libc's own way to learn the processor (shim/clocks.cpp), which makes no system call.
#pragma once

#include "weft/detail/runtime.hpp"

// Not 0: some green thread has an affinity of its own, so that getcpu(2) may have something else to say than the vDSO.
extern "C" WEFT_API int weft_green_affinity_kept;
