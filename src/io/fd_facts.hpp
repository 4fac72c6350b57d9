// What the process's descriptors are known to be, so that a park costs no fcntl and no getsockopt: one word a number, for all hubs.
//
// Only the rewritten sites learn and use facts: they see every call that changes one (close, dup2, F_SETFL, FIONBIO, SO_RCVTIMEO) and
// forget it. The C++ face, which may live in a program whose closes nobody sees, must not. Freestanding; lock-free.
#pragma once

#include <cstdint>

#include "io/fd_words.hpp"

namespace weft::io::facts {

inline constexpr std::uint32_t flags_known = 1, nonblocking = 2;       // O_NONBLOCK
inline constexpr std::uint32_t receive_known = 4, receive_limited = 8;   // SO_RCVTIMEO
inline constexpr std::uint32_t send_known = 16, send_limited = 32;       // SO_SNDTIMEO
inline constexpr std::uint32_t kind_known = 64, kind_shift = 7, kind_mask = 7u << kind_shift;
inline constexpr std::uint32_t all_facts = 0xffff;  // the upper half counts changes

// What stands behind a number, as fstat(2) tells it. Decides how a read is tried without blocking.
enum class kind : std::uint8_t {
  always_ready,  // directory, file in memory (tmpfs, proc), /dev/null and its like: never worth a wait
  socket,
  pipe,
  terminal,      // or another character device
  anonymous,     // eventfd, timerfd, signalfd, inotify, ...
  disk,          // regular file or block device: no readiness, yet a read may have to wait
  direct,        // one opened with O_DIRECT, O_SYNC or O_DSYNC: waits for the device whatever the call's flags say
};

using words = fd_words<std::uint32_t>;
extern words known;

// The present word; 0 when nothing is known.
inline std::uint32_t get(int fd) noexcept {
  const words::word* w = known.find(fd);
  return w == nullptr ? 0 : w->load_acquire();
}
// Adds `more`, learned after the word was `seen`; nothing when something was forgotten meanwhile.
void add(int fd, std::uint32_t seen, std::uint32_t more) noexcept;
void forget(int fd, std::uint32_t which = all_facts) noexcept;
// For numbers `first` to `last`.
void forget_range(unsigned first, unsigned last, std::uint32_t which = all_facts) noexcept;
// A fact of the open file description behind `fd` changed: forgotten for its duplicates too, once there are duplicates.
void forget_shared(int fd, std::uint32_t which) noexcept;
// Two numbers may now mean one open file description.
void note_duplicate() noexcept;

// The kind, asked of the kernel without remembering it. -errno when there is no such descriptor.
long ask_kind(int fd) noexcept;
// Same, remembered.
long learn_kind_of(int fd) noexcept;
inline long kind_of(int fd) noexcept {
  const std::uint32_t seen = get(fd);
  return (seen & kind_known) != 0 ? static_cast<long>((seen & kind_mask) >> kind_shift) : learn_kind_of(fd);
}

}  // namespace weft::io::facts
