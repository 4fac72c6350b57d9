#include "io/dispatch.hpp"

#include <ctime>

#include "io/descriptors.hpp"
#include "io/door.hpp"
#include "io/fd_facts.hpp"
#include "io/frame_words.hpp"
#include "io/handlers.hpp"
#include "io/ops.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

constexpr caller door = caller::door;

// A read of a file on disk is the kernel's own; whether a number is one is remembered.
bool never_waits(int fd) noexcept {
  const long kind = facts::kind_of(fd);
  return kind < 0 || kind == static_cast<long>(facts::kind::always_ready);
}

template <class Op>
door_answer transfer(door_frame* f, Op op) noexcept {
  hub* h = company();
  if (h == nullptr || never_waits(number(f->rdi))) return pass_on;
  return cooperate_on(*h, f->vectors != 0, op);
}

door_answer on_read(door_frame* f, long) noexcept {
  return transfer(f, [f](hub& h) { return read(h, door, number(f->rdi), pointer<void>(f->rsi), size(f->rdx)); });
}
door_answer on_readv(door_frame* f, long) noexcept {
  return transfer(f, [f](hub& h) { return readv(h, door, number(f->rdi), pointer<const iovec>(f->rsi), size(f->rdx)); });
}
door_answer on_write(door_frame* f, long) noexcept {
  return transfer(f, [f](hub& h) { return write(h, door, number(f->rdi), pointer<const void>(f->rsi), size(f->rdx)); });
}
door_answer on_writev(door_frame* f, long) noexcept {
  return transfer(f, [f](hub& h) { return writev(h, door, number(f->rdi), pointer<const iovec>(f->rsi), size(f->rdx)); });
}

// The MSG_ flags stand in another register for each call; with MSG_DONTWAIT nothing is ours.
template <class Op>
door_answer message(door_frame* f, long flags, Op op) noexcept {
  return (flags & MSG_DONTWAIT) != 0 ? pass_on : cooperate(f, op);
}

door_answer on_recvfrom(door_frame* f, long) noexcept {
  return message(f, f->r10, [f](hub& h) {
    if (f->r8 == 0) return recv(h, door, number(f->rdi), pointer<void>(f->rsi), size(f->rdx), number(f->r10));
    return recvfrom(h, door, number(f->rdi), pointer<void>(f->rsi), size(f->rdx), number(f->r10), pointer<void>(f->r8),
                    pointer<void>(f->r9));
  });
}
door_answer on_recvmsg(door_frame* f, long) noexcept {
  return message(f, f->rdx, [f](hub& h) { return recvmsg(h, door, number(f->rdi), pointer<msghdr>(f->rsi), number(f->rdx)); });
}
door_answer on_recvmmsg(door_frame* f, long) noexcept {
  return message(f, f->r10, [f](hub& h) {
    return recvmmsg(h, door, number(f->rdi), pointer<mmsghdr>(f->rsi), static_cast<unsigned>(f->rdx), number(f->r10),
                    pointer<timespec>(f->r8));
  });
}
door_answer on_sendto(door_frame* f, long) noexcept {
  return message(f, f->r10, [f](hub& h) {
    return sendto(h, door, number(f->rdi), pointer<const void>(f->rsi), size(f->rdx), number(f->r10), pointer<const void>(f->r8),
                  static_cast<unsigned>(f->r9));
  });
}
door_answer on_sendmsg(door_frame* f, long) noexcept {
  return message(f, f->rdx, [f](hub& h) { return sendmsg(h, door, number(f->rdi), pointer<const msghdr>(f->rsi), number(f->rdx)); });
}
door_answer on_sendmmsg(door_frame* f, long) noexcept {
  return message(f, f->r10, [f](hub& h) {
    return sendmmsg(h, door, number(f->rdi), pointer<mmsghdr>(f->rsi), static_cast<unsigned>(f->rdx), number(f->r10));
  });
}

door_answer on_accept(door_frame* f, long nr) noexcept {
  const int flags = nr == SYS_accept4 ? number(f->r10) : 0;
  return cooperate(f, [=](hub& h) { return accept4(h, door, number(f->rdi), pointer<void>(f->rsi), pointer<void>(f->rdx), flags); });
}
door_answer on_connect(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return connect(h, door, number(f->rdi), pointer<const void>(f->rsi), static_cast<unsigned>(f->rdx));
  });
}

door_answer on_poll(door_frame* f, long) noexcept {
  const int ms = number(f->rdx);
  if (ms == 0) return pass_on;
  return cooperate(f, [=](hub& h) {
    return poll(h, pointer<pollfd>(f->rdi), static_cast<unsigned>(f->rsi), ms < 0 ? never : static_cast<nanos>(ms) * 1'000'000);
  });
}
door_answer on_ppoll(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return ppoll(h, pointer<pollfd>(f->rdi), static_cast<unsigned>(f->rsi), pointer<timespec>(f->rdx), pointer<const void>(f->r10),
                 size(f->r8));
  });
}
door_answer on_select(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return select(h, number(f->rdi), pointer<void>(f->rsi), pointer<void>(f->rdx), pointer<void>(f->r10), pointer<timeval>(f->r8));
  });
}
door_answer on_pselect(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return pselect(h, number(f->rdi), pointer<void>(f->rsi), pointer<void>(f->rdx), pointer<void>(f->r10), pointer<timespec>(f->r8),
                   pointer<const void>(f->r9));
  });
}

door_answer on_nanosleep(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) { return nanosleep(h, pointer<const timespec>(f->rdi), pointer<timespec>(f->rsi)); });
}
door_answer on_clock_nanosleep(door_frame* f, long) noexcept {
  // CPU-time clocks stand still while the thread waits; the alarm clocks wake a sleeping machine. Both are the kernel's.
  const int clock = number(f->rdi);
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI) return pass_on;
  return cooperate(f, [=](hub& h) {
    return clock_nanosleep(h, clock, number(f->rsi), pointer<const timespec>(f->rdx), pointer<timespec>(f->r10));
  });
}
door_answer on_sched_yield(door_frame*, long) noexcept {
  return cooperate([](hub& h) {
    detail::yield(h);
    return long{0};  // never fails, cancelled or not
  });
}

constexpr const char* bookkeeping = "bookkeeping";

constexpr door_entry rows[] = {
    {SYS_nanosleep, "sleep", "nanosleep", {on_nanosleep}},
    {SYS_clock_nanosleep, "sleep", "clock_nanosleep", {on_clock_nanosleep}},
    {SYS_sched_yield, "sleep", "sched_yield", {on_sched_yield}},
    {SYS_read, "read", "read", {on_read}},
    {SYS_readv, "read", "readv", {on_readv}},
    {SYS_write, "write", "write", {on_write}},
    {SYS_writev, "write", "writev", {on_writev}},
    {SYS_recvfrom, "recv", "recvfrom", {on_recvfrom}},
    {SYS_recvmsg, "recv", "recvmsg", {on_recvmsg}},
    {SYS_recvmmsg, "recv", "recvmmsg", {on_recvmmsg}},
    {SYS_sendto, "send", "sendto", {on_sendto}},
    {SYS_sendmsg, "send", "sendmsg", {on_sendmsg}},
    {SYS_sendmmsg, "send", "sendmmsg", {on_sendmmsg}},
    {SYS_accept, "accept", "accept", {on_accept}},
    {SYS_accept4, "accept", "accept4", {on_accept}},
    {SYS_connect, "connect", "connect", {on_connect}},
    {SYS_poll, "poll", "poll", {on_poll}},
    {SYS_ppoll, "poll", "ppoll", {on_ppoll}},
    {SYS_select, "select", "select", {on_select}},
    {SYS_pselect6, "select", "pselect6", {on_pselect}},
    {SYS_close, bookkeeping, "close", {on_close}},
    {SYS_dup, bookkeeping, "dup", {on_dup}},
    {SYS_dup2, bookkeeping, "dup2", {on_dup_to}},
    {SYS_dup3, bookkeeping, "dup3", {on_dup_to}},
    {SYS_close_range, bookkeeping, "close_range", {on_close_range}},
    {SYS_fcntl, bookkeeping, "fcntl", {on_fcntl}},
    {SYS_ioctl, bookkeeping, "ioctl", {on_ioctl}},
    {SYS_setsockopt, bookkeeping, "setsockopt", {on_setsockopt}},
    {SYS_shutdown, bookkeeping, "shutdown", {on_shutdown}},
    {SYS_fork, bookkeeping, "fork", {on_fork}},
    {SYS_vfork, bookkeeping, "vfork", {on_vfork}},
    {SYS_clone, bookkeeping, "clone", {on_clone}},
    {SYS_clone3, bookkeeping, "clone3", {on_clone3}},
};

bool equal(const char* a, const char* b, const char* b_end) noexcept {
  while (*a != 0 && b != b_end && *a == *b) ++a, ++b;
  return *a == 0 && b == b_end;
}

}  // namespace

door_rows descriptor_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

std::size_t door_table(door_rows* parts) noexcept {
  // One line a file of handlers.
  constexpr door_rows (*files[])() noexcept = {descriptor_rows, signal_rows, child_rows, file_rows, path_rows, futex_rows, epoll_rows};
  std::size_t n = 0;
  for (auto* file : files) parts[n++] = file();
  static_assert(sizeof files / sizeof *files <= most_door_parts);
  return n;
}

bool group_selected(const char* group, const char* selection) noexcept {
  if (selection == nullptr || *selection == 0 || equal(group, bookkeeping, bookkeeping + sizeof "bookkeeping" - 1)) return true;
  bool any_named = false, named = false;
  for (const char* at = selection; *at != 0;) {
    const char* end = at;
    while (*end != 0 && *end != ',') ++end;
    if (*at == '-') {
      if (equal(group, at + 1, end)) return false;
    } else if (end != at) {
      any_named = true;
      named = named || equal(group, at, end) || equal("all", at, end);
    }
    at = *end == ',' ? end + 1 : end;
  }
  return named || !any_named;
}

}  // namespace weft::io
