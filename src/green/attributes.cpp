// What a green thread inherits from its maker besides its signal mask.
#include "green/caller.hpp"
#include "green/own_credentials.hpp"
#include "green/names.hpp"
#include "green/signals.hpp"
#include "sys/mem.hpp"

namespace weft::green {

bool inherit_attributes(thread& child, const thread& maker) noexcept {
  const attributes& from = more(maker).is;
  const bool scheduling = !from.reset_on_fork && (from.scheduled || from.niced || from.io_prioritized);
  const bool differs = more(maker).credentials != nullptr;
  if (!from.named && !scheduling && from.timer_slack == 0 && from.affinity_bytes == 0 && !differs) return true;
  if (make_more(child) == nullptr) return false;
  share_credentials(child, maker);
  attributes& to = child.rare->is;
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
  to.affinity_word = from.affinity_word;
  to.affinity_bytes = from.affinity_bytes;
  if (from.affinity == nullptr) return true;
  to.affinity = static_cast<std::uint64_t*>(sys::map(sys::page_size));
  if (to.affinity != nullptr)
    sys::copy(to.affinity, from.affinity, from.affinity_bytes);
  else
    to.affinity_bytes = 0;
  return true;
}

void forget_attributes(thread& t) noexcept {
  if (t.rare == nullptr) return;
  end_credentials(t);
  if (t.rare->is.affinity != nullptr) sys::unmap(t.rare->is.affinity, sys::page_size);
  drop_pending(t);
  drop_more(t);
}

}  // namespace weft::green
