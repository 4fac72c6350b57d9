// How a green thread ends.
#pragma once

#include "green/rows.hpp"
#include "green/thread.hpp"

namespace weft::green {

// exit(2) of one thread.
door_answer on_exit(door_frame* frame, long nr) noexcept;

// core::on_thread_over, core::on_thread_block_free.
void thread_over(hub& h, fiber_base* f) noexcept;
void free_thread(fiber_base* f) noexcept;

// Hands on the robust mutexes that a thread leaves locked (robust.cpp).
void walk_robust_list(thread& t) noexcept;

// The same for all threads, where other processes may wait for what they have locked: the process is about to end.
void leave_all_locks() noexcept;

// Called before the process ends by itself: the table of `weft run --stats`, and the trace.
extern void (*before_exit)() noexcept;

// Whether a word holds the id of a green thread, on which pthread_join waits.
bool is_tid_word(std::uint64_t address, std::uint32_t expected) noexcept;

}  // namespace weft::green
