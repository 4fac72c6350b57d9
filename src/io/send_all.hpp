// The loop behind every send and write: on a blocking descriptor they come back with everything sent, as the kernel's do.
#pragma once

#include <cerrno>
#include <poll.h>

#include "io/park_rules.hpp"
#include "io/wait_fd.hpp"

namespace weft::io {

// Goes on after a first try that gave `first` (a part, or -EAGAIN). `more(done)` tries to send what lies behind `done` bytes.
// After a part was sent nothing but the count is returned; an error then stays in the socket for the next call, and a broken
// pipe raises no SIGPIPE.
template <class More>
long send_all(hub& h, park_rules& rules, int fd, std::size_t total, long first, const char* reason, More more) noexcept {
  std::size_t done = first > 0 ? static_cast<std::size_t>(first) : 0;
  const auto answer = [&](long error) { return done > 0 ? static_cast<long>(done) : error; };
  growing_nap pause;
  int idle = 0;
  for (;;) {
    if (const long refused = rules.before_park(); refused != 0) return answer(refused);
    const long ready = ready_now(fd, POLLOUT);
    if (done > 0 && (ready < 0 || (ready & (POLLERR | POLLNVAL)) != 0)) return answer(0);
    long waited = 0;
    if (ready == 0) {
      core::fd_entry* e = h.fds.get(fd);
      if (e == nullptr) return answer(-ENOMEM);
      waited = wait_fd(h, fd, *e, poller::out, rules.deadline(), reason);
    } else if (++idle > 1) {
      // Writable, yet nothing can be sent: the queue of a datagram's receiver is full, of which poll(2) knows nothing.
      waited = nap(h, pause.next(), rules.deadline(), reason);
    }
    if (waited != 0) return answer(waited == timed_out ? -EAGAIN : rules.ended(waited));
    const long sent = more(done);
    if (sent == -EAGAIN) continue;
    if (sent < 0) return answer(sent);
    idle = 0;
    done += static_cast<std::size_t>(sent);
    if (done >= total) return answer(0);
  }
}

}  // namespace weft::io
