// Whom a call is made by, and about: what every handler that takes a thread id asks first.
#pragma once

#include "green/thread.hpp"
#include "io/door.hpp"

namespace weft::green {

// The running green thread, null where the call is the kernel's: before the first one, on other OS threads, in a child that borrows
// this memory.
inline thread* caller() noexcept { return home != nullptr && io::own_hub() == home ? self() : nullptr; }

// Ids above this one are no kernel's.
inline bool is_green_id(long id) noexcept { return id >= static_cast<long>(first_tid) && id < static_cast<long>(end_of_tids); }

// Whom an id names where 0 is the caller.
struct named_thread {
  thread* who = nullptr;  // a green thread
  bool dead = false;      // the id of a green thread that is no more: ESRCH
};
inline named_thread named(long id) noexcept {
  if (home == nullptr) return {};
  if (id == 0) return {caller(), false};
  if (is_green_id(id)) {
    thread* t = find(static_cast<std::uint32_t>(id));
    return {t, t == nullptr};
  }
  thread& first = leader();
  return {static_cast<std::uint32_t>(id) == first.tid && caller() != nullptr ? &first : nullptr, false};
}

// ---- what a thread has of its own (attributes.cpp)
// A new thread's are its maker's; called before it can run. False: no memory.
bool inherit_attributes(thread& child, const thread& maker) noexcept;
// The thread is over: with them goes all else that few threads have.
void forget_attributes(thread& t) noexcept;

}  // namespace weft::green
