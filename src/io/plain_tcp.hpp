// Which descriptors are plain TCP streams: the only ones for which a short read proves that nothing is left. And which
// are files, for which there is nothing to wait for.
#pragma once

#include "core/hub.hpp"
#include "io/ended.hpp"

namespace weft::io {

// The kind, asked of the kernel once for each use of the number.
core::fd_kind learn_kind(int fd, core::fd_entry& e) noexcept;

inline core::fd_kind kind_of(int fd, core::fd_entry& e) noexcept {
  return e.kind == core::fd_kind::unknown ? learn_kind(fd, e) : e.kind;
}

inline bool plain_tcp(int fd, core::fd_entry& e) noexcept {
  return kind_of(fd, e) == core::fd_kind::tcp;
}

}  // namespace weft::io
