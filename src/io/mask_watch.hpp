// The signal mask of ppoll and pselect. The OS thread's own mask stays as it is, since other fibers run under it; the signals that
// only the given mask lets through are watched by a signalfd, and the look that follows delivers them as the kernel does.
#pragma once

#include "io/ended.hpp"

namespace weft::io {

// Weft's own signalfd for `set` (a kernel sigset), for as long as one call waits. -1 when the kernel refuses.
int open_signalfd(const void* set) noexcept;
void close_signalfd(hub& h, int fd) noexcept;

class mask_watch {
public:
  // `mask` points at a kernel sigset that a system call has read successfully; null: no mask was given.
  mask_watch(hub& h, const void* mask) noexcept;
  ~mask_watch();
  mask_watch(const mask_watch&) = delete;
  mask_watch& operator=(const mask_watch&) = delete;

  // To be waited on for reading; -1 when there is nothing to watch.
  int fd() const noexcept { return fd_; }

private:
  hub& h_;
  int fd_ = -1;
};

}  // namespace weft::io
