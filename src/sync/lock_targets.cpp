// Who holds a lock, for reports: from the head of the list in which its waiters stand, which lies inside it.
#include <cstddef>
#include <string_view>

#include "core/wait_targets.hpp"
#include "weft/mutex.hpp"
#include "weft/shared_mutex.hpp"

namespace weft::detail {

struct lock_access {
  template <class Lock>
  static const Lock* around(const list_link* head, const hub& h) {
    const auto* lock = reinterpret_cast<const Lock*>(reinterpret_cast<const char*>(head) - offsetof(Lock, waiters_));
    return lock->home_ == &h ? lock : nullptr;
  }

  static core::wait_target find(const char* reason, const list_link* head, const hub& h) {
    const std::string_view why = reason;
    // (A coroutine's wait for a condition ends by locking the mutex under the condition's name: not told.)
    if (why == "mutex.lock") {
      if (const auto* m = around<mutex>(head, h)) return {m, m->owner_, 0};
    } else if (why.starts_with("shared_mutex.lock")) {
      if (const auto* m = around<shared_mutex>(head, h)) return {m, m->writer_, m->readers_};
    }
    return {};
  }
};

namespace {

[[gnu::constructor(102)]] void install() { core::lock_around = lock_access::find; }

}  // namespace
}  // namespace weft::detail
