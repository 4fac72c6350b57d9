// epoll: each descriptor registered once, edge-triggered.
//
// What epoll does with descriptors, and what follows from it (epoll(7), fs/eventpoll.c):
// - A registration belongs to the pair (open file description, number). Closing the number while a duplicate lives elsewhere (dup,
//   fork, SCM_RIGHTS) leaves it registered under a number that may mean something else by then. So `forget` deletes explicitly, and
//   every report carries the generation that the number had when it was registered.
// - EPOLL_CTL_ADD and MOD report what is ready at that moment, so registering after a failed try loses nothing.
// - With EPOLLOUT in the set, an AF_UNIX socket reports an edge each time the peer reads. So writability is added by the first
//   wait for it, not before.
#pragma once

#include <sys/epoll.h>

#include "poller/poller.hpp"

namespace weft::poller {

class epoll_poller final : public poller {
public:
  int watch(int fd, std::uint32_t events, registration& r) noexcept override;
  void forget(int fd, registration& r) noexcept override;
  int wait(std::uint64_t timeout) noexcept override;
  int reopen() noexcept override;
  const char* name() const noexcept override { return "epoll"; }
  bool owns(int fd) const noexcept override { return fd == epoll_fd_ || fd == wake_fd_; }
  int move(int fd) noexcept override;
  void shut() noexcept override;

private:
  int watch_wake() noexcept;

  int drop_wakes(int n) noexcept;

  int epoll_fd_ = -1;
};

}  // namespace weft::poller
