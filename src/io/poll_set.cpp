#include "io/poll_set.hpp"

#include <cerrno>
#include <new>
#include <poll.h>

#include "io/watchers.hpp"
#include "sys/mem.hpp"

namespace weft::io {
namespace {

// The pollers speak in, out, pri; the bands of poll(2) go with them, and the check afterwards is poll(2)'s own.
std::uint32_t waited_for(int events) noexcept {
  std::uint32_t e = 0;
  if (events & (POLLIN | POLLRDNORM)) e |= poller::in;
  if (events & POLLRDBAND) e |= poller::in | poller::pri;
  if (events & POLLPRI) e |= poller::pri;
  if (events & (POLLOUT | POLLWRNORM | POLLWRBAND)) e |= poller::out;
  if (events & POLLRDHUP) e |= poller::rdhup;
  return e;
}

}  // namespace

poll_set::~poll_set() {
  if (items_ != local_) sys::unmap(items_, sys::round_up(room_ * sizeof(item), sys::page_size));
}

bool poll_set::reserve(std::size_t count) noexcept {
  if (count <= room_) return true;
  auto* more = static_cast<item*>(sys::map(sys::round_up(count * sizeof(item), sys::page_size)));
  if (more == nullptr) return false;
  items_ = more;
  room_ = count;
  return true;
}

void poll_set::add(int fd, int events) noexcept {
  std::uint32_t wanted = waited_for(events);
  if ((wanted & (poller::in | poller::out | poller::pri)) == 0) {
    wanted |= poller::in;
    vague_ = true;
  }
  items_[used_].fd = fd;
  items_[used_++].events = wanted;
}

long poll_set::park(nanos deadline, const char* reason) noexcept {
  detail::waiter w(reason);
  std::size_t linked = 0;
  long error = 0;
  for (; linked < used_ && error == 0; ++linked) {
    item& it = items_[linked];
    new (&it.node[0]) core::fd_node(w, it.events);
    core::fd_entry* e = h_.fds.get(it.fd);
    it.linked().version = watch_closing(h_, it.fd);
    if (e != nullptr && e->reg.watched == 0) e->version = it.linked().version;
    const long refused = e == nullptr ? -ENOMEM : h_.poll->watch(it.fd, it.events, e->reg);
    if (refused == -EPERM) continue;  // knows no readiness: what poll(2) says of it never changes
    if (refused != 0) {
      error = refused;
      continue;
    }
    e->waiters.push_back(it.linked());
    ++h_.fd_waiters;
  }
  const wake why = error != 0 ? wake::ready : detail::park(h_, w, deadline);
  for (std::size_t i = 0; i < linked; ++i)
    if (items_[i].linked().linked()) {
      items_[i].linked().unlink();
      --h_.fd_waiters;
    }
  // Closed between poll(2) and here, or meanwhile: looking again says so.
  if (error == -EBADF) return 0;
  return why == wake::ready ? error : ended_by(why);
}

}  // namespace weft::io
