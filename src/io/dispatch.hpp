// The list of system calls that a rewritten site hands to Weft: one row a call. Adding a call is adding an op and a row.
//
// Handlers run between two instructions of a libc function that keeps vector registers live across `syscall`: everything reached
// from them is freestanding and built for general registers only. Each first decides whether the call is Weft's business at all.
#pragma once

#include <cstddef>

namespace weft::io {

// The caller's six arguments as it left them in registers. Handlers must not change them.
struct door_frame {
  long rdi, rsi, rdx, r10, r8, r9;
  long vectors = 1;  // not 0: vector registers may hold values of the caller's, a park must keep them
};

// An answer, returned in rax and rdx.
struct door_answer {
  long result;  // as the kernel returns it
  long pass;    // not 0: the original instruction is executed instead
};

using door_call = door_answer (*)(door_frame* frame, long nr);

// src/patch stands above this layer and knows the same two structs as the heads of its own; its handler type is taken as it is.
template <class Result, class Frame>
using site_handler = Result (*)(Frame*, long);

struct door_handler {
  door_call call;
  template <class Result, class Frame>
  operator site_handler<Result, Frame>() const noexcept {
    static_assert(sizeof(Result) == sizeof(door_answer) && sizeof(Frame) >= sizeof(door_frame));
    return reinterpret_cast<site_handler<Result, Frame>>(reinterpret_cast<void (*)()>(call));
  }
};

struct door_entry {
  long nr;
  const char* group;  // what WEFT_PATCH selects by
  const char* name;
  door_handler handle;
};

// A part of the list: each file of handlers has its own, named in door_table.
struct door_rows {
  const door_entry* first;
  const door_entry* last;

  const door_entry* begin() const noexcept { return first; }
  const door_entry* end() const noexcept { return last; }
};
inline constexpr int most_door_parts = 16;

door_rows descriptor_rows() noexcept;  // dispatch.cpp
door_rows epoll_rows() noexcept;       // dispatch_epoll.cpp
door_rows futex_rows() noexcept;       // dispatch_futex.cpp
door_rows signal_rows() noexcept;      // dispatch_signals.cpp
door_rows child_rows() noexcept;       // dispatch_children.cpp
door_rows file_rows() noexcept;        // dispatch_files.cpp
door_rows path_rows() noexcept;        // dispatch_paths.cpp

// Stores the parts, most_door_parts of them at most, and returns how many there are.
std::size_t door_table(door_rows* parts) noexcept;

// Calls fn(row) for every row.
template <class F>
void each_door(F&& fn) {
  door_rows parts[most_door_parts];
  const std::size_t n = door_table(parts);
  for (std::size_t i = 0; i < n; ++i)
    for (const door_entry& row : parts[i]) fn(row);
}

// Whether WEFT_PATCH's value `selection` (null or empty: everything) keeps a group: names select, `-name` excludes; with only
// exclusions the rest stays. Rows of the group "bookkeeping" change nothing by themselves, and are always kept.
bool group_selected(const char* group, const char* selection) noexcept;

}  // namespace weft::io
