// What the sync primitives share: the check that an object is used on its own hub, and a list that may die before its waiters.
//
// Relies on detail/wait.hpp. Everything here belongs to one hub: plain loads and stores, never an atomic.
#pragma once

#include "weft/detail/wait.hpp"

namespace weft::inspect {
struct layout_access;  // tells debuggers where a lock's owner stands
}

namespace weft::detail {

struct lock_access;  // tells reports who holds a lock

[[noreturn]] WEFT_API void throw_wrong_hub(const char* what);
[[noreturn]] WEFT_API void throw_not_owner(const char* what);

// The hub `home` of an object, when that is the calling OS thread's; throws wrong_hub elsewhere.
inline hub& on_home(hub* home, const char* what) {
  if (!on_hub(home)) [[unlikely]]
    throw_wrong_hub(what);
  return *home;
}

// Waiters of an object. When the object is destroyed under them they stay parked (the deadlock report names them), but no
// later wake or timeout of theirs writes into the memory that is gone.
struct waiting_list : wait_list {
  waiting_list() noexcept = default;
  ~waiting_list() {
    while (pop_front() != nullptr) {
    }
  }
};

}  // namespace weft::detail
