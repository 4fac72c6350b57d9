// The work of the style comparison, the same for every style: each file beside this one does it in one style and names its figures
// STYLE/WORK. bench/harness/styles.py divides them by each other, so all bodies must do the same number of steps a batch.
//
//   switch      one turn handed to the other of two partners
//   spawn       one thing of the style started, run to its (empty) end, waited for
//   queue       an int through one queue and back through another
//   leaf N      one turn given away and got back by the innermost of N calls (for coroutines: N awaits)
//   call N      N levels of calls (awaits) entered and left again, none of which waits
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

inline constexpr int ops_per_batch = 1024;
inline constexpr int shallow = 1, deep = 10;
