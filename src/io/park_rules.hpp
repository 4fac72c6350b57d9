// Whether a call that would block may wait, and how long: O_NONBLOCK, SO_RCVTIMEO and SO_SNDTIMEO of its descriptor.
//
// Asked once an op, at the first park: a call that succeeds at once pays nothing. Calls of the C++ face always wait and know no
// socket timeouts (they have scopes and deadlines), as gevent's sockets do.
#pragma once

#include "io/ended.hpp"
#include "io/fd_facts.hpp"

namespace weft::io {

// Who makes the call.
enum class caller : std::uint8_t {
  face,  // weft/io.hpp: parks whatever the descriptor's flags are
  door,  // a rewritten site: exactly the kernel's semantics
};

enum class side : std::uint8_t { receive, send };

class park_rules {
public:
  park_rules(hub& h, caller who, int fd, side s) noexcept : h_(h), fd_(fd), side_(s), asked_(who == caller::face) {}

  // 0: park, until `deadline()` at most. -EAGAIN: the descriptor is O_NONBLOCK.
  long before_park() noexcept {
    if (asked_) return 0;
    // The usual case: a blocking descriptor without a limit, known as such.
    using namespace facts;
    const std::uint32_t ours = side_ == side::receive ? receive_known | receive_limited : send_known | send_limited;
    const std::uint32_t good = flags_known | (side_ == side::receive ? receive_known : send_known);
    if ((get(fd_) & (flags_known | nonblocking | ours)) == good) [[likely]] {
      asked_ = true;
      return 0;
    }
    return ask();
  }
  nanos deadline() const noexcept { return deadline_; }
  // What a wait that ended early is to the caller: with a time limit no signal restarts it (signal(7)).
  long ended(long waited) const noexcept { return deadline_ == never ? waited : never_again(waited); }

private:
  long ask() noexcept;

  hub& h_;
  int fd_;
  side side_;
  bool asked_;
  nanos deadline_ = never;
};

}  // namespace weft::io
