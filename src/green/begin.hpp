// From a program with one thread to one whose threads are green.
#pragma once

#include <cstddef>
#include <ucontext.h>

#include "green/thread.hpp"
#include "io/dispatch.hpp"

namespace weft::green {

// For the first thread that is made, and for every further one: the hub that carries green threads, if the calling OS thread does;
// null when it is to make a native thread. `vectors`: registers of the site's caller are to be kept.
hub* begin(bool vectors) noexcept;

// The program is about to filter its own system calls. Before its first thread: its threads stay the kernel's, and it is told so.
void forbid_itself() noexcept;

// The first time: makes the hub. Ordinary C++, set by mode.cpp. Null when the kernel refused.
extern hub* (*make_hub)() noexcept;

// While a thread is made for a fiber of its own (own_thread.cpp): it is green, whatever the others are.
inline bool own_wanted = false;

// While the hub is made: a thread that is made then is Weft's own (the watchdog's), and the kernel's.
inline bool beginning = false;

// Where libc has its rseq area, from a thread's FS base; size 0: it has none.
inline std::ptrdiff_t rseq_offset = 0;
inline unsigned rseq_size = 0;

// False for programs that use Weft's API themselves: their threads switch where they park, and only there.
inline bool preemptive = true;

// Starts the clock that ends the turns of threads that compute (tick.cpp), and again in a forked child that makes threads.
void start_ticking() noexcept;
void stop_ticking() noexcept;  // in a forked child: timers are not inherited

// Reads what came up inside Weft, before a site's caller goes on (tick.cpp).
// True: handlers of signals are to run behind that site.
bool settle_due(io::door_frame* frame) noexcept;

// Whether the running fiber is a thread that was interrupted in code of the program's (tick.cpp).
bool in_program(const detail::carrier* c, const fiber_base* f, const ucontext_t* u) noexcept;
// Installs the handler of signal 33, Weft's own in the kernel: the tick, and what src/green/signals.hpp says.
void take_own_signal() noexcept;

}  // namespace weft::green
