// select(2) with sets of our own size: the kernel takes any number of descriptors below the process's limit, only glibc's fd_set
// ends at 1,024. The portable poller, and the one that shows that nothing above depends on epoll.
//
// Level-triggered, so the sets hold just what somebody waits for: a report takes the descriptor's bits out again.
#pragma once

#include "poller/poller.hpp"

namespace weft::poller {

class select_poller final : public poller {
public:
  int watch(int fd, std::uint32_t events, registration& r) noexcept override;
  void forget(int fd, registration& r) noexcept override;
  int wait(std::uint64_t timeout) noexcept override;
  int reopen() noexcept override;
  const char* name() const noexcept override { return "select"; }
  bool owns(int fd) const noexcept override { return fd == wake_fd_; }
  int move(int fd) noexcept override;
  void shut() noexcept override;

private:
  using word = std::uint64_t;
  static constexpr int word_bits = 64;
  enum set { readable, writable, urgent, set_count };

  bool reserve(int fd) noexcept;
  void clear(int fd) noexcept;
  bool drop_closed() noexcept;

  word* wanted_[set_count] = {};
  word* got_[set_count] = {};
  std::uint32_t* generation_ = nullptr;
  int capacity_ = 0;  // descriptors
  int highest_ = -1;
  int scan_from_ = 0;  // rotates, so that a full batch does not starve the high numbers
};

}  // namespace weft::poller
