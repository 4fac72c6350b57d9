// What the calls that receive have in common: when they never wait, and how one goes on that got less than it waits for.
#pragma once

#include <cstddef>
#include <sys/socket.h>

#include "io/park_rules.hpp"

struct iovec;

namespace weft::io {

// With one of these a receive never waits, whatever the descriptor's mode: tcp_recv_urg and the error queue answer at once.
inline constexpr int never_waiting_flags = MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE;

// Goes on with a receive into `parts` that has `done` bytes, until it has `least`, or ends early as the kernel's would: the bytes that
// it has then. Ancillary data ends it: the kernel does not merge across it either.
long receive_rest(hub& h, park_rules& rules, int fd, const char* reason, const iovec* parts, std::size_t count, int flags,
                  std::size_t least, std::size_t done) noexcept;

}  // namespace weft::io
