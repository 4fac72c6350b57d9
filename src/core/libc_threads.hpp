// libc's belief that the process has one thread, which is wrong as soon as fibers wait for each other through it.
#pragma once

namespace weft::core {

// Futex waits will park fibers from now on: with the first hub (at once if there is one) libc is made to see threads.
void expect_futex_waits();

// For create_hub.
void hub_is_coming();

// While that thread is made, which has to be the kernel's: a green one would need the hub that is on its way.
extern bool shows_a_thread;

}  // namespace weft::core
