// What Weft is made to do under faults of the kernel: sockets and pipes, connection storms, timers, spawns and cancellations, closes while
// others wait, files on disk. Each workload checks for itself that every byte arrives and everybody is told.
#pragma once

namespace weft_test {

// Plays them beside each other, most of them, as `seed` has it. Returns, or throws the first failure, when all fibers are over.
void play_all(unsigned seed);

}  // namespace weft_test
