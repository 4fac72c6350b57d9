// Turns at a file position: the kernel locks it for as long as a read or write at it runs, also while that waits for the disk. A
// fiber that tried then would block its hub.
#pragma once

#include "core/hub.hpp"
#include "io/ended.hpp"

namespace weft::io {

// One call's interest in the position of one descriptor, on its fiber's stack. Other hubs and duplicates of the number are not
// known here: they wait in the kernel, as threads do.
class file_position {
public:
  // fd -1: nothing to take turns for.
  file_position(hub& h, int fd) noexcept : h_(h), fd_(fd) {}
  file_position(const file_position&) = delete;
  file_position& operator=(const file_position&) = delete;

  // Parks until no other fiber's offloaded call is at the position. 0, or an ended code.
  long wait(const char* reason) noexcept;

  // Around an offloaded call.
  class held {
  public:
    explicit held(file_position& p) noexcept;
    ~held();
    held(const held&) = delete;
    held& operator=(const held&) = delete;

  private:
    file_position& at_;
  };

private:
  hub& h_;
  int fd_;
  file_position* next_ = nullptr;  // in the hub's list of held ones
  detail::wait_list waiting_;
};

}  // namespace weft::io
