// Readiness from the kernel, behind one small interface. Knows descriptors and bits, not fibers.
//
// The contract, which both pollers keep: what a try found not ready is reported once it is, if `watch` is called after the try and
// nothing was reported in between, also when it became ready before `watch`. A report may be spurious. So a waiter does: take the
// descriptor's sequence; try; if it would block and the sequence is unchanged, watch and park.
// epoll registers once, edge-triggered: `watch` is then free of system calls. select is level-triggered: `watch` adds the bits to
// the sets, a report removes them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::poller {

// Bits of `events`, epoll's values in both pollers.
inline constexpr std::uint32_t in = 0x001, pri = 0x002, out = 0x004, err = 0x008, hup = 0x010, rdhup = 0x2000;

// What the poller remembers about one descriptor, kept in the hub's descriptor table.
struct registration {
  constexpr registration() noexcept {}  // no plain struct: what it leaves of its last word serves the entry that it is part of

  std::uint32_t generation = 0;  // of the descriptor number: a report for an earlier owner of the number is dropped
  std::uint8_t watched = 0;      // which of in, out and pri the kernel reports for it; 0: not registered
};

// As the kernel writes an epoll_event whose data was put together so (epoll_poller.cpp).
struct event {
  std::uint32_t events;
  int fd;
  std::uint32_t generation;
};

class poller {
public:
  // Returns 0; -EPERM when the descriptor is always ready (a regular file); -EBADF, -ENOMEM, -ENOSPC as epoll_ctl(2) gives them.
  virtual int watch(int fd, std::uint32_t events, registration& r) noexcept = 0;
  // The number is about to be closed or replaced.
  virtual void forget(int fd, registration& r) noexcept = 0;
  // Collects reports, waiting at most `timeout` ns (~0: for ever). Returns how many stand at `events()`; 0 when interrupted.
  virtual int wait(std::uint64_t timeout) noexcept = 0;
  const event* events() const noexcept { return events_; }
  // Ends a `wait` from any thread or signal handler; the next `wait` returns at once if none is under way.
  void wake() noexcept;
  // After fork, in the child: closes what is shared with the parent and starts over. Registrations are void. 0 or -errno.
  virtual int reopen() noexcept = 0;
  virtual const char* name() const noexcept = 0;
  // True for descriptors of the poller's own, which the program must not touch.
  virtual bool owns(int fd) const noexcept = 0;
  // One of its own descriptors goes elsewhere, for the program is about to put its own at this number, which stays open. 0 or -errno.
  virtual int move(int fd) noexcept = 0;
  virtual void shut() noexcept = 0;

  static constexpr int batch = 512;

protected:
  ~poller() = default;
  int open_wake() noexcept;
  void drain_wake() noexcept;

  int wake_fd_ = -1;
  event events_[batch];
};

// Builds the poller that WEFT_POLLER names (epoll by default) in `storage` of `storage_bytes`. Null with the kernel's -errno in
// `error` when it cannot be opened.
poller* open(void* storage, std::size_t bytes, long& error) noexcept;
std::size_t storage_bytes() noexcept;

// Makes a descriptor one of Weft's own: moves it high up, out of the way of programs that expect the lowest free number, and notes it.
int move_up(int fd) noexcept;
// Another number for one of Weft's own, high up as well, noted too; `fd` stays open. -errno when there is none.
int number_elsewhere(int fd) noexcept;
// Ends one of Weft's own.
void close_own(int fd) noexcept;

}  // namespace weft::poller
