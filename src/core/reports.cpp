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
// Of a task: the operation that it awaits, and the head of the coroutine.
constexpr int lines_of_an_operation = 4;

// Each report leads through four cold places: the descriptor's entry, the wait on the stack of its fiber, that fiber's control block, and
// the frame in which it is suspended. All of a portion are fetched side by side, one stage after the other, instead of one by one.
void fetch(hub& h, const poller::event* first, const poller::event* last) noexcept {
  for (const poller::event* at = first; at != last; ++at) sys::fetch_line(h.fds.find(at->fd));
  for (const poller::event* at = first; at != last; ++at)
    if (fd_entry* e = h.fds.find(at->fd); e != nullptr)
      if (const detail::wait_node* node = e->waiters.front(); node != nullptr) {
        sys::fetch_line(node);
        sys::fetch_line(reinterpret_cast<const char*>(node) + 64);
      }
  for (const poller::event* at = first; at != last; ++at)
    if (fd_entry* e = h.fds.find(at->fd); e != nullptr)
      if (const auto* node = static_cast<const fd_node*>(e->waiters.front()); node != nullptr && node->target != nullptr)
        sys::fetch_line(node->target->fiber);
}

void fetch_lines(const void* from, int lines) noexcept {
  for (int line = 0; line < lines; ++line) sys::fetch_line(static_cast<const char*>(from) + line * 64);
}

void fetch_frames(const fiber_base* f, int most) noexcept {
  for (; f != nullptr && most > 0; f = f->next, --most) {
    if (f->context != nullptr) {
      fetch_lines(f->context, (f->call & detail::in_call) != 0 ? lines_in_a_call : lines_of_a_frame);
    } else if (f->in_task && f->state == fiber_state::ready) {
      fetch_lines(f->leaf, lines_of_an_operation);
      sys::fetch_line(f->leaf->frame);
    }
  }
}

}  // namespace

void tell_reports(hub& h) noexcept {
  constexpr int portion = 32;
  const poller::event* const events = h.poll->events();
  do {
    const int first = h.reports_told;
    const int last = h.reports - first > portion ? first + portion : h.reports;
    h.reports_told = last;
    if (h.fd_waiters > few_waiters) fetch(h, events + first, events + last);
    for (int i = first; i < last; ++i) {
      fd_entry* e = h.fds.find(events[i].fd);
      // A report for an earlier owner of the number (closed while a duplicate lived on) is not this one's.
      if (e == nullptr || e->reg.generation != events[i].generation) continue;
      fd_report(h, events[i].fd, *e, events[i].events);
    }
  } while (h.ready_first == nullptr && h.reports_told != h.reports);
  if (h.fd_waiters > few_waiters) fetch_frames(h.ready_first, 2 * portion);
}

}  // namespace weft::core
