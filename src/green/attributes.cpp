// What a green thread inherits from its maker besides its signal mask.
#include "green/caller.hpp"
#include "green/names.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {

void inherit_attributes(thread& child, const thread& maker) noexcept {
  const attributes& from = maker.is;
  attributes& to = child.is;
  to.named = from.named;
  if (from.named) sys::copy(to.name, from.name, name_bytes);
  if (!from.reset_on_fork) {
    to.scheduled = from.scheduled;
    to.policy = from.policy;
    to.priority = from.priority;
    to.niced = from.niced;
    to.nice = from.nice;
    to.io_priority = from.io_priority;
    to.io_prioritized = from.io_prioritized;
  }
  to.timer_slack = from.timer_slack;
  if (from.affinity_bytes == 0) return;
  to.affinity_bytes = from.affinity_bytes;
  to.affinity_word = from.affinity_word;
  if (from.affinity == nullptr) return;
  to.affinity = static_cast<std::uint64_t*>(sys::map(sys::page_size));
  if (to.affinity != nullptr)
    sys::copy(to.affinity, from.affinity, from.affinity_bytes);
  else
    to.affinity_bytes = 0;
}

void forget_attributes(thread& t) noexcept {
  if (t.is.affinity != nullptr) sys::unmap(t.is.affinity, sys::page_size);
  t.is.affinity = nullptr;
  t.is.affinity_bytes = 0;
}

}  // namespace weft::green
