// The loop that most ops are: try; while it would block, see whether waiting is allowed, and wait for readiness.
#pragma once

#include <cerrno>

#include "io/park_rules.hpp"
#include "io/wait_fd.hpp"

namespace weft::io {

// `attempt` makes the call without blocking; `block` makes it as it is, for descriptors that know no readiness.
template <class Attempt, class Block>
long until_ready(hub& h, park_rules& rules, int fd, std::uint32_t events, const char* reason, Attempt attempt, Block block) noexcept {
  core::fd_entry* e = h.fds.find(fd);
  for (;;) {
    const std::uint32_t sequence = e != nullptr ? e->sequence : 0;
    const long got = attempt();
    if (got != -EAGAIN) return got;
    if (const long refused = rules.before_park(); refused != 0) return refused;
    if (e == nullptr) {
      if ((e = h.fds.get(fd)) == nullptr) return -ENOMEM;
    } else if (e->sequence != sequence) {
      continue;
    }
    const long waited = wait_fd(h, fd, *e, events, rules.deadline(), reason);
    if (waited == -EPERM) return block();
    if (waited != 0) return waited == timed_out ? -EAGAIN : rules.ended(waited);
  }
}

}  // namespace weft::io
