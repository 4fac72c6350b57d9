#include "io/watchers.hpp"

#include <csignal>

#include "io/fd_words.hpp"
#include "sys/mem.hpp"
#include "sys/process_mark.hpp"
#include "sys/spin_lock.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

fd_words<std::uint64_t> watchers;

namespace {

using word = fd_words<std::uint64_t>::word;

constexpr std::uint64_t hub_bits = 0xffffffff, next_version = hub_bits + 1;

// Of the list of hubs that have waited. Rarely taken.
sys::spin_word list_lock;
hub* first = nullptr;
unsigned listed = 0;

void list(hub& h) noexcept {
  h.closed.mark = 1u << (listed++ % 32);
  h.closed.listed = true;
  h.closed.next = first;
  first = &h;
}

// Ends the waits on `fd` that are older than its closing.
void end_waits(hub& h, int fd, std::uint32_t version) noexcept {
  core::fd_entry* e = h.fds.find(fd);
  if (e == nullptr) return;
  // What was registered since is the number's next life.
  if (e->version == version) h.poll->forget(fd, e->reg);
  ++e->sequence;
  e->kind = core::fd_kind::unknown;
  e->drained = e->past_plain = false;
  detail::wait_node* next;
  for (detail::wait_node* n = e->waiters.front(); n != nullptr; n = next) {
    next = e->waiters.after(n);
    auto* node = static_cast<core::fd_node*>(n);
    // A younger wait looks again, and has the poller watch again.
    node->closed = node->version == version;
    node->unlink();
    --h.fd_waiters;
    node->notify(node);
  }
}

// On the hub: what other threads have closed.
void take_closed(hub& h, core::remote_node*) noexcept {
  core::closed_fds::item items[core::closed_fds::room];
  unsigned count;
  bool all;
  {
    const sys::masked_spin_guard guard(list_lock);
    count = h.closed.count;
    all = h.closed.too_many;
    sys::copy(&items[0], &h.closed.items[0], count * sizeof items[0]);
    h.closed.count = 0;
    h.closed.too_many = h.closed.announced = false;
  }
  for (unsigned i = 0; i < count; ++i) end_waits(h, items[i].fd, items[i].version);
  if (!all) return;
  h.fds.each([&](int fd, core::fd_entry& e) {
    const word* w = watchers.find(fd);
    if (e.version != 0 && w != nullptr && version_of(w->load_acquire()) != e.version) end_waits(h, fd, e.version);
  });
}

// Under the lock.
void tell(hub& h, int fd, std::uint32_t version) noexcept {
  core::closed_fds& c = h.closed;
  if (c.count < core::closed_fds::room)
    c.items[c.count++] = {fd, version};
  else
    c.too_many = true;
  if (c.announced) return;
  c.announced = true;
  c.node.run = take_closed;
  core::hub_post(h, c.node);
}

void end_version(hub* own, int fd, word& w) noexcept {
  std::uint64_t seen = w.load_relaxed();
  // A vfork child closes descriptors of its own.
  if ((seen & hub_bits) != 0 && own == nullptr && !sys::owns_memory()) return;
  while (!w.compare_exchange(seen, (seen & ~hub_bits) + next_version)) {
  }
  const auto bits = static_cast<std::uint32_t>(seen);
  // Its own hub has ended its waits itself; a bit that is shared is looked behind.
  if (bits == 0 || (own != nullptr && bits == own->closed.mark && listed <= 32)) return;
  const sys::masked_spin_guard guard(list_lock);
  for (hub* h = first; h != nullptr; h = h->closed.next)
    if (h != own && (h->closed.mark & bits) != 0) tell(*h, fd, version_of(seen));
}

}  // namespace

std::uint32_t begin_watching(hub& h, int fd) noexcept {
  if (h.closed.mark == 0) [[unlikely]] {
    const sys::masked_spin_guard guard(list_lock);
    list(h);
  }
  word* w = watchers.find_or_make(fd);
  if (w == nullptr) [[unlikely]]
    return version_of(0);
  std::uint64_t seen = w->load_acquire();
  while ((seen & h.closed.mark) == 0)
    if (w->compare_exchange(seen, seen | h.closed.mark)) break;
  return version_of(seen);
}

void tell_watchers(hub* own, int fd) noexcept {
  if (word* w = watchers.find(fd)) end_version(own, fd, *w);
}

void tell_watchers_of_range(hub* own, unsigned first_fd, unsigned last_fd) noexcept {
  watchers.each(first_fd, last_fd, [own](int fd, word& w) {
    if ((w.load_relaxed() & hub_bits) != 0) end_version(own, fd, w);
  });
}

void watches_no_more(hub& h) noexcept {
  if (!h.closed.listed) return;
  const sys::masked_spin_guard guard(list_lock);
  for (hub** at = &first; *at != nullptr; at = &(*at)->closed.next)
    if (*at == &h) {
      *at = h.closed.next;
      break;
    }
  h.closed.listed = false;
}

void only_watcher(hub& h) noexcept {
  list_lock.store_relaxed(0);
  first = h.closed.listed ? &h : nullptr;
  h.closed.next = nullptr;
}

void watch_alone(hub& h) noexcept {
  if (h.closed.announced || h.closed.count != 0) take_closed(h, nullptr);
}

}  // namespace weft::io
