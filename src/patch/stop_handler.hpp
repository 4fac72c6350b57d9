// What runs in the other threads while text is rewritten: a signal handler that waits, and then moves the interrupted
// instruction pointer out of any window that was overwritten under it.
//
// Run-time path: built like the dispatcher's table (no libc, no vector registers, no sanitizer). libc's text is unfinished
// while this runs, so it must not execute a single instruction of it: its own system calls, its own signal return stub.
#pragma once

#include <cstddef>
#include <cstdint>

#include "patch/moved_address.hpp"

namespace weft::patch {

// A thread that was, or will be, asked to stop.
struct stopped_thread {
  std::uint32_t tid;
  std::uint32_t state;  // thread_state, changed atomically by the thread and by the stopper
};
enum thread_state : std::uint32_t { asked = 0, waiting = 1, released = 2, gone = 3 };

// A call that a stop interrupted with EINTR although no handler of the program ran, and that can simply be made again.
struct restart_point {
  std::uintptr_t behind_site;
  std::int32_t nr;
};

struct stop_order {
  stopped_thread* threads;  // open addressing by tid; a slot with tid 0 is free
  std::uint32_t mask;       // slots - 1
  std::uint32_t go_on;      // futex word: 0 while threads must wait
  std::uint32_t progress;   // futex word for the stopper: changes whenever a thread arrives or leaves
  const moved_address* moved;  // ascending `from`
  std::size_t moved_count;
  const restart_point* restarts;  // ascending `behind_site`
  std::size_t restart_count;
  const void* empty_block;  // for the GS base of threads that are older than Weft (late_load.cpp)
};

// The order in force, null between stops. A signal that arrives late finds null or go_on and returns at once.
extern "C" __attribute__((visibility("hidden"))) stop_order* weft_patch_stop_order;

// glibc's own use of the signal, called when a signal was not sent by the stopper.
extern "C" __attribute__((visibility("hidden"))) void* weft_patch_previous_action;

extern "C" __attribute__((visibility("hidden"))) void weft_patch_stop_handler(int signal, void* info, void* context);

// The signal return stub (entry.S); not a C++ function.
extern "C" __attribute__((visibility("hidden"))) void weft_patch_sigreturn();

// Signal handlers of the program may have interrupted code inside a window: finds their frames on the stack above `stack` and
// moves the addresses they will return to. A frame is known by its return stub's bytes, so no other word is ever touched.
void move_interrupted_frames(const stop_order& order, std::uintptr_t stack) noexcept;

// Waits that a signal handler ends with EINTR even under SA_RESTART (signal(7)), although nothing was transferred and no
// time is lost to the caller by waiting on. Relative sleeps are not among them: begun again they would last too long.
bool can_be_made_again(long nr) noexcept;

stopped_thread* slot_of(stop_order& order, std::uint32_t tid) noexcept;

}  // namespace weft::patch
