// libc's belief that the process has one thread, which is wrong as soon as fibers wait for each other through it.
#pragma once

namespace weft::core {

// Futex waits will park fibers from now on: with the first hub (at once if there is one) libc is made to see threads.
void expect_futex_waits();

// For create_hub.
void hub_is_coming();

}  // namespace weft::core
