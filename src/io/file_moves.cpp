// tee and vmsplice: pipes at every end, so the kernel can be asked not to wait in one call. sendfile and splice have no such flag for
// a socket or a file, and are offloaded as they are.
#include <cerrno>
#include <fcntl.h>

#include "io/file_ops.hpp"

namespace weft::io {

long tee(hub& h, int in, int out, std::size_t size, unsigned flags) noexcept {
  const long got = sys::raw(SYS_tee, in, out, size, flags | SPLICE_F_NONBLOCK);
  if (got != -EAGAIN || (flags & SPLICE_F_NONBLOCK) != 0) return got;
  return offload(h, call_of(SYS_tee, in, out, size, flags), never, "tee", offload_kind::waits);
}

long vmsplice(hub& h, int fd, const void* parts, unsigned long count, unsigned flags) noexcept {
  const long got = sys::raw(SYS_vmsplice, fd, parts, count, flags | SPLICE_F_NONBLOCK);
  if (got != -EAGAIN || (flags & SPLICE_F_NONBLOCK) != 0) return got;
  return offload(h, call_of(SYS_vmsplice, fd, parts, count, flags), never, "vmsplice", offload_kind::waits);
}

}  // namespace weft::io
