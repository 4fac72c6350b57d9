// One fiber waiting for any of many descriptors: poll and select.
#pragma once

#include <cstddef>

#include "core/hub.hpp"
#include "io/ended.hpp"

namespace weft::io {

// Collects what is waited for, then parks on all of it; for one park after another. Its nodes lie on the stack for the usual
// number of descriptors and are mapped for more.
class poll_set {
public:
  explicit poll_set(hub& h) noexcept : h_(h) {}
  ~poll_set();
  poll_set(const poll_set&) = delete;
  poll_set& operator=(const poll_set&) = delete;

  // Makes room for `count` descriptors; false without memory.
  bool reserve(std::size_t count) noexcept;
  void clear() noexcept {
    used_ = 0;
    vague_ = false;
  }
  // Whether something was added that only readability stands for (a hang-up, a half close): `park` may end over and over while
  // there is data, so the caller pauses before the next one.
  bool vague() const noexcept { return vague_; }
  // `events` as poll(2) has them; errors and hang-ups are always waited for.
  void add(int fd, int events) noexcept;
  // Parks until something is reported or the deadline. 0: look again. Else an ended code, or -errno of the poller.
  long park(nanos deadline, const char* reason) noexcept;

private:
  struct item {
    int fd;
    std::uint32_t events;
    alignas(core::fd_node) unsigned char node[sizeof(core::fd_node)];
    core::fd_node& linked() noexcept { return *reinterpret_cast<core::fd_node*>(&node[0]); }
  };
  static constexpr std::size_t on_stack = 48;

  hub& h_;
  std::size_t used_ = 0;
  bool vague_ = false;
  std::size_t room_ = on_stack;
  item* items_ = local_;
  item local_[on_stack];
};

}  // namespace weft::io
