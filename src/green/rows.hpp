// The calls that green threads answer differently from fibers: rows put over those of src/io.
#pragma once

#include "io/dispatch.hpp"

namespace weft::green {

using io::door_answer;
using io::door_call;
using io::door_frame;

struct green_entry {
  long nr;
  door_call handle;
};

struct green_rows {
  const green_entry* first;
  const green_entry* last;
  const green_entry* begin() const noexcept { return first; }
  const green_entry* end() const noexcept { return last; }
};

template <std::size_t N>
constexpr green_rows rows_of(const green_entry (&rows)[N]) noexcept {
  return {rows, rows + N};
}

inline constexpr door_answer to_kernel{0, 1};
constexpr door_answer answer(long result) noexcept { return {result, 0}; }

// What stood in the row's place before: the fibers' handler, or else the kernel.
door_answer below(door_frame* frame, long nr) noexcept;

// Each file of handlers has its own.
green_rows thread_rows() noexcept;    // clone.cpp, end.cpp
green_rows identity_rows() noexcept;  // identity.cpp
green_rows credential_rows() noexcept;  // credentials.cpp
green_rows process_rows() noexcept;   // process.cpp
green_rows stack_rows() noexcept;     // stacks.cpp
green_rows scheduling_rows() noexcept;  // scheduling.cpp
green_rows affinity_rows() noexcept;  // affinity.cpp
green_rows owner_rows() noexcept;     // file_owners.cpp
green_rows name_rows() noexcept;      // names.cpp
green_rows robust_rows() noexcept;    // robust.cpp
green_rows proc_rows() noexcept;      // proc_paths.cpp
green_rows list_rows() noexcept;     // proc_lists.cpp
green_rows own_credential_rows() noexcept;  // own_credentials.cpp
green_rows clock_rows() noexcept;     // clock_calls.cpp
green_rows tid_rows() noexcept;       // tid_calls.cpp
green_rows shared_memory_rows() noexcept;  // shared_memory.cpp
green_rows signal_rows() noexcept;       // signal_rows.cpp
green_rows signal_wait_rows() noexcept;  // signal_waits.cpp
green_rows timer_rows() noexcept;        // signal_timers.cpp

// Puts all of them into the table of handlers.
void put_rows() noexcept;

}  // namespace weft::green
