// Calls that never wait but change what is known of descriptors. They are looked at on every thread: facts are the process's.
#include <cerrno>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "io/descriptors.hpp"
#include "io/door.hpp"
#include "io/file_ops.hpp"
#include "io/fd_facts.hpp"
#include "io/handlers.hpp"
#include "io/low_water.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// O_DIRECT is part of the kind.
constexpr std::uint32_t status_flags = facts::flags_known | facts::nonblocking | facts::kind_known | facts::kind_mask;

bool is_time_limit(long option) noexcept {
  constexpr long receive_new = 66, send_new = 67;  // with a 64-bit time on every machine
  return option == SO_RCVTIMEO || option == SO_SNDTIMEO || option == receive_new || option == send_new;
}

// tcdrain, and tcsetattr with TCSADRAIN or TCSAFLUSH: they wait until a terminal has sent what was written. tcsendbreak takes a
// quarter of a second.
bool drains_terminal(const door_frame* f) noexcept {
  const auto request = static_cast<unsigned>(f->rsi);
  if (request == TCSBRK && f->rdx == 0) return true;
  if (request != TCSBRK && request != TCSETSW && request != TCSETSF) return false;
  int waiting = 0;
  return sys::raw(SYS_ioctl, f->rdi, TIOCOUTQ, &waiting) == 0 && waiting > 0;
}

door_answer made(long result) noexcept { return {result, 0}; }

// Not a vfork child, which has descriptors of its own, and closes what it likes, in this process's memory.
bool is_own_process() noexcept { return interrupted_hub() != nullptr || !detail::attached() || detail::this_carrier()->vfork_pid == 0; }

// The number is about to mean something else, or nothing.
void forget_number(int fd) noexcept {
  if (hub* h = own_hub())
    forget_everywhere(*h, fd);
  else
    forget_everywhere(fd);
}

}  // namespace

door_answer on_close(door_frame* f, long) noexcept {
  const int fd = static_cast<int>(f->rdi);
  if (is_ours(fd) && is_own_process()) return made(-EBADF);
  forget_number(fd);
  return pass_on;
}

door_answer on_dup(door_frame* f, long) noexcept {
  if (is_ours(static_cast<int>(f->rdi)) && is_own_process()) return made(-EBADF);
  facts::note_duplicate();
  return pass_on;
}

door_answer on_dup_to(door_frame* f, long) noexcept {
  const int from = static_cast<int>(f->rdi), to = static_cast<int>(f->rsi);
  facts::note_duplicate();
  if (is_ours(from) && is_own_process()) return made(-EBADF);
  if (from == to || sys::raw(SYS_fcntl, from, F_GETFD) < 0) return pass_on;
  if (is_ours(to) && is_own_process()) {
    hub* h = own_hub();
    // dup2(2) may answer so when the number is being given out elsewhere, which it is.
    if (h == nullptr || make_way(*h, to) != 0) return made(-EBUSY);
  }
  forget_number(to);
  return pass_on;
}

door_answer on_close_range(door_frame* f, long) noexcept {
  const auto first = static_cast<unsigned>(f->rdi), last = static_cast<unsigned>(f->rsi), flags = static_cast<unsigned>(f->rdx);
  hub* h = own_hub();
  if ((flags & CLOSE_RANGE_UNSHARE) == 0 && is_own_process()) return made(close_range(h, first, last, flags));
  if ((flags & CLOSE_RANGE_CLOEXEC) == 0 && first <= last) forget_range(first, last);
  return pass_on;
}

door_answer on_fcntl(door_frame* f, long) noexcept {
  const int fd = static_cast<int>(f->rdi);
  // Programs ask so which numbers are open.
  if (is_ours(fd) && is_own_process()) return made(-EBADF);
  if (f->rsi == F_DUPFD || f->rsi == F_DUPFD_CLOEXEC) facts::note_duplicate();
  if (f->rsi == F_SETLKW || f->rsi == F_OFD_SETLKW)
    return cooperate(f, [=](hub& h) { return lock_region(h, fd, static_cast<int>(f->rsi), reinterpret_cast<void*>(f->rdx)); });
  if (f->rsi != F_SETFL) return pass_on;
  const long got = sys::raw(SYS_fcntl, fd, F_SETFL, f->rdx);
  facts::forget_shared(fd, status_flags);
  return made(got);
}

door_answer on_ioctl(door_frame* f, long nr) noexcept {
  if (drains_terminal(f)) {
    const offload_call call = call_of(nr, f->rdi, f->rsi, f->rdx);
    return cooperate(f, [&call](hub& h) { return offload(h, call, never, "tcdrain", offload_kind::waits); });
  }
  if (static_cast<unsigned>(f->rsi) != FIONBIO) return pass_on;
  const long got = sys::raw(SYS_ioctl, f->rdi, f->rsi, f->rdx);
  facts::forget_shared(static_cast<int>(f->rdi), status_flags);
  return made(got);
}

door_answer on_setsockopt(door_frame* f, long) noexcept {
  const int fd = static_cast<int>(f->rdi);
  const bool limit = f->rsi == SOL_SOCKET && is_time_limit(f->rdx);
  const bool low_water = f->rsi == SOL_SOCKET && f->rdx == SO_RCVLOWAT;
  const bool kind = low_water || (f->rsi == IPPROTO_TCP && f->rdx == TCP_ULP);
  if (!limit && !kind) return pass_on;
  if (low_water) low_water_used.store_relaxed(true);
  const long got = sys::raw(SYS_setsockopt, fd, f->rsi, f->rdx, f->r10, f->r8);
  if (limit)
    facts::forget_shared(fd, facts::receive_known | facts::receive_limited | facts::send_known | facts::send_limited);
  else if (hub* h = own_hub())
    forget_kind(*h, fd);
  return made(got);
}

door_answer on_shutdown(door_frame* f, long) noexcept {
  hub* h = own_hub();
  return h == nullptr ? pass_on : made(shutdown(*h, static_cast<int>(f->rdi), static_cast<int>(f->rsi)));
}

}  // namespace weft::io
