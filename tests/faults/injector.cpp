#include "injector.hpp"

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

namespace weft_test {
namespace {

long real(long nr, const long* a) noexcept {
  long result;
  register long r10 asm("r10") = a[3];
  register long r8 asm("r8") = a[4];
  register long r9 asm("r9") = a[5];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

std::uint64_t seed_now, drawn;
std::uint64_t counts[32];       // a bit's of `faults`
std::uint32_t rate, kinds_now;  // rate 0: no faults

std::uint64_t draw() noexcept {
  std::uint64_t x = seed_now * 0x9e3779b97f4a7c15u + __atomic_add_fetch(&drawn, 1, __ATOMIC_RELAXED) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

bool dice(std::uint32_t kind) noexcept {
  const std::uint32_t one_in = __atomic_load_n(&rate, __ATOMIC_ACQUIRE);
  if (one_in == 0 || (kinds_now & kind) == 0 || draw() % one_in != 0) return false;
  __atomic_add_fetch(&counts[__builtin_ctz(kind)], 1, __ATOMIC_RELAXED);
  return true;
}

// ---- the edge of a descriptor in an epoll set

constexpr int most_descriptors = 4096;
struct {
  int set;  // 0: in none
  epoll_event event;
} registered[most_descriptors];

void note_epoll_ctl(const long* a) noexcept {
  if (a[2] < 0 || a[2] >= most_descriptors) return;
  auto& r = registered[a[2]];
  if (a[1] == EPOLL_CTL_DEL) {
    r.set = 0;
    return;
  }
  r.event = *reinterpret_cast<const epoll_event*>(a[3]);
  r.set = static_cast<int>(a[0]);
}

void repeat_edge(long fd) noexcept {
  if (fd < 0 || fd >= most_descriptors || registered[fd].set == 0) return;
  const long words[6] = {registered[fd].set, EPOLL_CTL_MOD, fd, reinterpret_cast<long>(&registered[fd].event), 0, 0};
  real(SYS_epoll_ctl, words);
}

// ---- short transfers

bool is_stream(long fd) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  const long words[6] = {fd, SOL_SOCKET, SO_TYPE, reinterpret_cast<long>(&type), reinterpret_cast<long>(&size), 0};
  return real(SYS_getsockopt, words) != 0 || type == SOCK_STREAM;  // no socket: a pipe, a file, an eventfd
}

long some_of(long size) noexcept { return size > 1 ? 1 + static_cast<long>(draw() % static_cast<std::uint64_t>(size - 1)) : size; }

// The call with the first part alone, cut. `parts` and `count` are where the call's words hold them.
long with_first_part(long nr, const long* a, const iovec* parts, long* parts_word, long* count_word) noexcept {
  if (parts[0].iov_len == 0) return real(nr, a);  // nothing read is the end of a stream
  iovec first = parts[0];
  first.iov_len = static_cast<std::size_t>(some_of(static_cast<long>(first.iov_len)));
  *parts_word = reinterpret_cast<long>(&first);
  *count_word = 1;
  return real(nr, a);
}

long cut_short(long nr, const long* a) noexcept {
  long words[6] = {a[0], a[1], a[2], a[3], a[4], a[5]};
  if (nr == SYS_read || nr == SYS_write || nr == SYS_recvfrom || nr == SYS_sendto) {
    words[2] = some_of(a[2]);
    return real(nr, words);
  }
  if (nr == SYS_recvmsg || nr == SYS_sendmsg) {
    auto message = *reinterpret_cast<const msghdr*>(a[1]);
    auto* const original = reinterpret_cast<msghdr*>(a[1]);
    if (message.msg_iovlen == 0 || message.msg_iov[0].iov_len == 0 || message.msg_control != nullptr) return real(nr, a);
    iovec first = message.msg_iov[0];
    first.iov_len = static_cast<std::size_t>(some_of(static_cast<long>(first.iov_len)));
    message.msg_iov = &first;
    message.msg_iovlen = 1;
    words[1] = reinterpret_cast<long>(&message);
    const long result = real(nr, words);
    original->msg_namelen = message.msg_namelen;
    original->msg_flags = message.msg_flags;
    return result;
  }
  if (a[2] <= 0) return real(nr, a);
  return with_first_part(nr, words, reinterpret_cast<const iovec*>(a[1]), &words[1], &words[2]);
}

bool may_say_would_block(long nr, const long* a) noexcept {
  switch (nr) {
    case SYS_recvfrom:
    case SYS_sendto: return (a[3] & MSG_DONTWAIT) != 0;
    case SYS_recvmsg:
    case SYS_sendmsg: return (a[2] & MSG_DONTWAIT) != 0;
    case SYS_preadv2:
    case SYS_pwritev2: return (a[5] & 0x8) != 0;  // RWF_NOWAIT
    default: return false;
  }
}

long transfer(long nr, const long* a) noexcept {
  if (dice(interruptions)) return -EINTR;
  if (may_say_would_block(nr, a) && dice(would_block)) {
    repeat_edge(a[0]);
    return -EAGAIN;
  }
  if (nr != SYS_read && nr != SYS_write && dice(no_memory)) return -ENOMEM;
  if (is_stream(a[0]) && dice(short_transfers)) {
    const long result = cut_short(nr, a);
    repeat_edge(a[0]);
    return result;
  }
  return real(nr, a);
}

long wait_for_events(long nr, const long* a) noexcept {
  if (dice(interruptions)) return -EINTR;
  long words[6] = {a[0], a[1], a[2], a[3], a[4], a[5]};
  if (dice(short_transfers)) words[2] = some_of(a[2] < 4 ? a[2] : 4);  // the others stay for the next call
  return real(nr, words);
}

long new_descriptor(long nr, const long* a) noexcept {
  if (dice(no_descriptors)) return draw() % 2 != 0 ? -EMFILE : -ENFILE;
  if (dice(no_memory)) return -ENOMEM;
  return real(nr, a);
}

}  // namespace

void begin_faults(std::uint64_t seed, std::uint32_t one_in, std::uint32_t kinds) noexcept {
  seed_now = seed;
  drawn = 0;
  kinds_now = kinds;
  __atomic_store_n(&rate, one_in, __ATOMIC_RELEASE);
}

void end_faults() noexcept { __atomic_store_n(&rate, 0, __ATOMIC_RELEASE); }

std::uint64_t injected(faults kind) noexcept { return __atomic_load_n(&counts[__builtin_ctz(kind)], __ATOMIC_RELAXED); }

}  // namespace weft_test

extern "C" long weft_fault_call(long nr, const long* a) noexcept {
  using namespace weft_test;
  switch (nr) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_preadv2:
    case SYS_pwritev2:
    case SYS_recvfrom:
    case SYS_sendto:
    case SYS_recvmsg:
    case SYS_sendmsg: return a[0] <= 2 ? real(nr, a) : transfer(nr, a);
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2: return wait_for_events(nr, a);
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
      if (dice(interruptions)) return -EINTR;
      return dice(no_memory) ? -ENOMEM : real(nr, a);
    case SYS_accept:
    case SYS_accept4:
      if (dice(interruptions)) return draw() % 2 != 0 ? -EINTR : -ECONNABORTED;
      return new_descriptor(nr, a);
    case SYS_connect: return dice(no_memory) ? -ENOBUFS : real(nr, a);
    case SYS_openat:
    case SYS_dup:
    case SYS_eventfd2:
    case SYS_epoll_create1: return new_descriptor(nr, a);
    case SYS_epoll_ctl: {
      if (a[1] == EPOLL_CTL_ADD && dice(no_memory)) return draw() % 2 != 0 ? -ENOMEM : -ENOSPC;
      const long result = real(nr, a);
      if (result == 0) note_epoll_ctl(a);
      return result;
    }
    case SYS_close: {
      if (a[0] >= 0 && a[0] < most_descriptors) registered[a[0]].set = 0;
      const long result = real(nr, a);
      return result == 0 && dice(interruptions) ? -EINTR : result;  // the kernel has closed it all the same
    }
    case SYS_mmap: return dice(no_memory) ? -ENOMEM : real(nr, a);
    case SYS_mprotect: return dice(no_memory) ? -ENOMEM : real(nr, a);
    case SYS_madvise: return dice(no_memory) ? (draw() % 2 != 0 ? -ENOMEM : -EINVAL) : real(nr, a);
    case SYS_futex:
      if ((a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && dice(interruptions)) return draw() % 2 != 0 ? -EINTR : -EAGAIN;
      return real(nr, a);
    case SYS_io_uring_setup:
      if (dice(no_ring)) return draw() % 2 != 0 ? -ENOMEM : -EPERM;
      return new_descriptor(nr, a);
    case SYS_io_uring_enter: return dice(no_ring) ? (draw() % 2 != 0 ? -EINTR : -EAGAIN) : real(nr, a);
    case SYS_io_uring_register: return dice(no_ring) ? -ENOMEM : real(nr, a);
    default: return real(nr, a);
  }
}
