// From the poller's reports to those who wait: by the descriptor's entry to the nodes in its list, each of which is told.
//
// Reports of thousands of descriptors come up to 512 at a time. They are told in portions, each when those whom the one before has
// made ready have run: what telling has brought into the caches (entry, wait, control block, stack) is then still there when its fiber's
// turn comes. The kernel's work for hundreds of connections would have pushed it out again. In the order of the reports, always.
#include "core/hub.hpp"
#include "sys/fetch.hpp"
#include "weft/detail/turns.hpp"

namespace weft::core {

void fd_report(hub& h, int, fd_entry& e, std::uint32_t events) noexcept {
  ++e.sequence;
  e.drained = false;
  if (events & (poller::rdhup | poller::hup | poller::err | poller::pri)) e.past_plain = true;
  detail::wait_node* next;
  for (detail::wait_node* n = e.waiters.front(); n != nullptr; n = next) {
    next = e.waiters.after(n);
    auto* node = static_cast<fd_node*>(n);
    // An error or hang-up ends every wait: poll(2) reports it unasked.
    const std::uint32_t relevant = events & (node->events | poller::err | poller::hup);
    const bool eof = (node->events & poller::in) != 0 && (events & poller::rdhup) != 0;
    if (relevant == 0 && !eof) continue;
    node->fired |= events;
    node->unlink();
    --h.fd_waiters;
    // What a node with a target does, without asking it.
    if (node->target != nullptr) [[likely]]
      detail::unpark(*node->target);
    else
      node->notify(node);
  }
}

void fd_forget(hub& h, int fd) noexcept {
  fd_entry* e = h.fds.find(fd);
  if (e == nullptr) return;
  h.poll->forget(fd, e->reg);
  ++e->sequence;
  e->kind = fd_kind::unknown;
  e->drained = e->past_plain = false;
  while (detail::wait_node* n = e->waiters.pop_front()) {
    auto* node = static_cast<fd_node*>(n);
    --h.fd_waiters;
    node->closed = true;
    node->notify(node);
  }
}

namespace {

// With fewer waits than that it is all in the caches.
constexpr std::size_t few_waiters = 64;
// How much of a suspended stack is fetched: from the switch up to who called what waits. What a rewritten site leaves there is deeper.
constexpr int lines_of_a_frame = 7, lines_in_a_call = 12;
// Of a task: what stands around the wait in the coroutine's frame (the call before it, and behind it what the coroutine calls next), and
// the head of the coroutine.
constexpr int bytes_before_a_wait = 160, lines_of_an_operation = 7, lines_of_a_head = 2;

// How many reports are told at a time: enough for their misses to overlap, and few enough for what was fetched to be there still when
// the last of those whom they wake runs. (A server of 1,000 connections: an eighth less time in user space than with 32.)
constexpr int portion = 8;

// Each report leads through four cold places: the descriptor's entry, the wait on the stack of its fiber, that fiber's control block, and
// the frame in which it is suspended. Those of a portion are fetched side by side, stage after stage, instead of one by one: entries two
// portions ahead, waits one ahead, so that each stage finds there what the one before has asked for. What has changed meanwhile was fetched
// in vain. `at` and `end`: the portion.
void fetch_entries(hub& h, const poller::event* at, const poller::event* end) noexcept {
  for (; at != end; ++at) sys::fetch_line(h.fds.find(at->fd));
}

void fetch_waits(hub& h, const poller::event* at, const poller::event* end) noexcept {
  for (; at != end; ++at)
    if (fd_entry* e = h.fds.find(at->fd); e != nullptr)
      if (const detail::wait_node* node = e->waiters.front(); node != nullptr) {
        sys::fetch_line(node);
        sys::fetch_line(reinterpret_cast<const char*>(node) + 64);
      }
}

void fetch_fibers(fd_entry* const* entries, int count) noexcept {
  for (int i = 0; i < count; ++i)
    if (entries[i] != nullptr)
      if (const auto* node = static_cast<const fd_node*>(entries[i]->waiters.front()); node != nullptr && node->target != nullptr)
        sys::fetch_line(node->target->fiber);
}

// Before the reports from `at` to `end` are told, the first of those that the poller gave or later ones.
void fetch(hub& h, const poller::event* at, const poller::event* end, bool first) noexcept {
  const auto portion_at = [=](int n) { return end - at > n * portion ? at + n * portion : end; };
  if (first) {
    fetch_entries(h, at, portion_at(2));
    fetch_waits(h, at, portion_at(1));
  }
  fetch_waits(h, portion_at(1), portion_at(2));
  fetch_entries(h, portion_at(2), portion_at(3));
}

void fetch_lines(const void* from, int lines) noexcept {
  for (int line = 0; line < lines; ++line) sys::fetch_line(static_cast<const char*>(from) + line * 64);
}

void fetch_frames(const fiber_base* f, int most) noexcept {
  for (; f != nullptr && most > 0; f = f->next, --most) {
    if (f->context != nullptr) {
      fetch_lines(f->context, (f->call & detail::in_call) != 0 ? lines_in_a_call : lines_of_a_frame);
    } else if (f->in_task && f->state == fiber_state::ready) {
      fetch_lines(reinterpret_cast<const char*>(f->leaf) - bytes_before_a_wait, lines_of_an_operation);
      fetch_lines(f->leaf->frame, lines_of_a_head);
    }
  }
}

}  // namespace

void tell_reports(hub& h) noexcept {
  const poller::event* const events = h.poll->events();
  do {
    const poller::event* const first = events + h.reports_told;
    const int count = h.reports - h.reports_told > portion ? portion : h.reports - h.reports_told;
    const bool cold = h.fd_waiters > few_waiters;
    if (cold) fetch(h, first, events + h.reports, h.reports_told == 0);
    h.reports_told += count;
    fd_entry* entries[portion];
    for (int i = 0; i < count; ++i) entries[i] = h.fds.find(first[i].fd);
    if (cold) fetch_fibers(entries, count);
    for (int i = 0; i < count; ++i) {
      // A report for an earlier owner of the number (closed while a duplicate lived on) is not this one's.
      if (entries[i] == nullptr || entries[i]->reg.generation != first[i].generation) continue;
      fd_report(h, first[i].fd, *entries[i], first[i].events);
    }
  } while (h.ready_first == nullptr && h.reports_told != h.reports);
  if (h.fd_waiters > few_waiters) fetch_frames(h.ready_first, 2 * portion);
}

}  // namespace weft::core
