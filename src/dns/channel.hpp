// One c-ares channel: its sockets, its queries in flight. All its functions run in fibers and never park, so that no other fiber
// can enter c-ares while it is in the middle of something.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dns/cares.hpp"
#include "dns/resolv_conf.hpp"

namespace weft::dns {

class channel {
public:
  struct watched {
    int fd;
    bool readable, writable;
  };
  // Told exactly once for every query: c-ares' status and the message, null unless ARES_SUCCESS or the server's refusal came with one.
  using told = void (*)(void* argument, int status, const unsigned char* message, std::size_t size);

  // Throws bad_alloc.
  channel(const cares& library, const resolv_conf& conf);
  // Queries in flight are told ARES_EDESTRUCTION.
  ~channel();
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  // May tell before it returns. Throws bad_alloc.
  void query(const std::string& name, int type, told tell, void* argument);
  // Tells every query in flight ARES_ECANCELLED.
  void cancel() { library_.cancel(handle_); }
  // Looks at a socket that was reported, or (-1) at the timeouts alone.
  void process(int readable, int writable) { library_.process_fd(handle_, readable, writable); }
  // Milliseconds until the next timeout, at most `limit`.
  int timeout_ms(int limit) const;

  std::size_t in_flight() const noexcept { return in_flight_; }
  const std::vector<watched>& sockets() const noexcept { return sockets_; }
  // Counts changes of sockets(): who waits on them compares.
  unsigned version() const noexcept { return version_; }

  bool stale = false;  // made for a configuration that is no more: takes no new queries

private:
  static void socket_state(void* self, ares_socket_t fd, int readable, int writable);

  const cares& library_;
  ares_channel handle_ = nullptr;
  std::size_t in_flight_ = 0;
  unsigned version_ = 0;
  std::vector<watched> sockets_;
};

}  // namespace weft::dns
