// io_uring_enter on a ring of the program's own.
//
// Submissions are made at once, by the calling thread: rings may be bound to it. Of the wait, a ring's descriptor tells when there
// is one completion; for more a thread waits, where the ring lets another thread do so. A wait with a signal mask, or by the index
// of a registered ring, is the kernel's own.
#include <cerrno>
#include <linux/io_uring.h>
#include <poll.h>

#include "io/durations.hpp"
#include "io/file_ops.hpp"
#include "io/user_memory.hpp"
#include "io/wait_fd.hpp"

namespace weft::io {
namespace {

constexpr unsigned absolute_timer = 1u << 5, registered_ring = 1u << 4;  // newer than some kernel headers

struct wait_terms {
  nanos length = never;
  long error = 0;
  bool known = true;  // false: there is more to it than a time limit
};

wait_terms terms_of(unsigned flags, const void* arg, std::size_t size) noexcept {
  wait_terms t;
  if ((flags & (registered_ring | absolute_timer)) != 0) return {never, 0, false};
  if ((flags & IORING_ENTER_EXT_ARG) == 0) return {never, 0, arg == nullptr};
  io_uring_getevents_arg terms;
  if (size != sizeof terms) return {never, 0, false};
  if (!copy_in(&terms, arg, sizeof terms)) return {never, -EFAULT, true};
  if (terms.sigmask != 0 || terms.pad != 0) return {never, 0, false};
  if (terms.ts == 0) return t;
  timespec limit;
  if (!copy_in(&limit, reinterpret_cast<const void*>(terms.ts), sizeof limit)) return {never, -EFAULT, true};
  if (!valid(limit)) return {never, 0, false};
  t.length = length_of(limit);
  return t;
}

// Until the ring's descriptor is readable, which is what one completion takes.
long wait_for_one(hub& h, int fd, nanos deadline) noexcept {
  for (;;) {
    core::fd_entry* e = h.fds.get(fd);
    const std::uint32_t sequence = e != nullptr ? e->sequence : 0;
    // Work that is put off until its task asks for completions is done by this, too.
    const long got = sys::raw(SYS_io_uring_enter, fd, 0, 0, IORING_ENTER_GETEVENTS, nullptr, 0);
    if (got < 0 && got != -EINTR) return got;
    if (const long ready = ready_now(fd, POLLIN); ready != 0) return ready < 0 ? ready : 0;
    if (e == nullptr) return -ENOMEM;
    if (e->sequence != sequence) continue;
    const long waited = wait_fd(h, fd, *e, poller::in, deadline, "io_uring_enter");
    if (waited != 0) return waited == timed_out ? -ETIME : waited;
  }
}

long wait_for_several(hub& h, int fd, unsigned least, nanos deadline) noexcept {
  const long got = offload(h, call_of(SYS_io_uring_enter, fd, 0, least, IORING_ENTER_GETEVENTS, nullptr, 0), deadline, "io_uring_enter",
                           offload_kind::waits);
  if (got == timed_out) return -ETIME;
  return got == -EEXIST ? sys::raw(SYS_io_uring_enter, fd, 0, least, IORING_ENTER_GETEVENTS, nullptr, 0) : got;
}

}  // namespace

long io_uring_enter(hub& h, int fd, unsigned submit, unsigned least, unsigned flags, const void* arg, std::size_t size) noexcept {
  const auto as_it_is = [&] { return sys::raw(SYS_io_uring_enter, fd, submit, least, flags, arg, size); };
  if ((flags & IORING_ENTER_GETEVENTS) == 0 || least == 0) return as_it_is();
  const wait_terms terms = terms_of(flags, arg, size);
  if (!terms.known) return as_it_is();
  if (terms.error != 0) return terms.error;
  const nanos deadline = deadline_in(h, terms.length);
  long submitted = 0;
  if (submit != 0) {
    submitted = sys::raw(SYS_io_uring_enter, fd, submit, 0, flags & ~static_cast<unsigned>(IORING_ENTER_EXT_ARG), nullptr, 0);
    if (submitted < 0 || submitted != static_cast<long>(submit)) return submitted;
  }
  const long waited = least == 1 ? wait_for_one(h, fd, deadline) : wait_for_several(h, fd, least, deadline);
  return submitted > 0 ? submitted : waited;
}

}  // namespace weft::io
