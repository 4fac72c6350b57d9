#include "io/file_transfer.hpp"

#include <cerrno>

#include "io/fd_facts.hpp"
#include "io/file_position.hpp"
#include "io/iov.hpp"
#include "io/offload.hpp"
#include "sys/features.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

using facts::kind;

long kind_of(caller who, int fd) noexcept { return who == caller::door ? facts::kind_of(fd) : facts::ask_kind(fd); }

bool is_disk(long k) noexcept { return k == static_cast<long>(kind::disk) || k == static_cast<long>(kind::direct); }

const char* reason_of(const file_transfer& t) noexcept { return t.out ? "write" : "read"; }

// The call for `count` parts, without a flag of ours.
offload_call call_for(const file_transfer& t, const iovec* parts, unsigned long count, std::size_t done) noexcept {
  const long at = t.offset < 0 ? -1 : t.offset + static_cast<long>(done);
  if (t.flags != 0) return call_of(t.out ? SYS_pwritev2 : SYS_preadv2, t.fd, parts, count, at, 0L, t.flags);
  if (at < 0) return call_of(t.out ? SYS_writev : SYS_readv, t.fd, parts, count);
  return call_of(t.out ? SYS_pwritev : SYS_preadv, t.fd, parts, count, at, 0L);
}

long now(const file_transfer& t, const iovec* parts, unsigned long count, std::size_t done) noexcept {
  const long at = t.offset < 0 ? -1 : t.offset + static_cast<long>(done);
  return sys::raw(t.out ? SYS_pwritev2 : SYS_preadv2, t.fd, parts, count, at, at < 0 ? -1L : 0L, t.flags | RWF_NOWAIT);
}

}  // namespace

bool on_disk(caller who, int fd) noexcept { return is_disk(kind_of(who, fd)); }

long transfer(hub& h, caller who, const file_transfer& t) noexcept {
  const long k = kind_of(who, t.fd);
  if (!is_disk(k)) return not_on_disk;
  // Direct and synchronous ones wait for the device whatever the flag says.
  bool try_now = k == static_cast<long>(kind::disk) && sys::have(sys::feature::nowait) && (t.flags & (RWF_DSYNC | RWF_SYNC)) == 0;
  file_position position(h, t.offset < 0 ? t.fd : -1);
  std::size_t done = 0, total = 0;
  for (;;) {
    iovec window[window_parts];
    const iovec* parts = t.parts;
    unsigned long count = t.count;
    if (done > 0) {
      parts = window;
      count = rest_of(t.parts, t.count, done, window, window_parts);
    }
    if (const long ended = position.wait(reason_of(t)); ended != 0) return done > 0 ? static_cast<long>(done) : ended;
    long got = try_now ? now(t, parts, count, done) : -EAGAIN;
    const bool offloaded = got == -EAGAIN || got == -EOPNOTSUPP;
    if (offloaded) {
      try_now = try_now && got == -EAGAIN;
      const file_position::held guard(position);
      got = offload(h, call_for(t, parts, count, done), never, reason_of(t), offload_kind::brief);
    }
    if (got < 0) return done > 0 ? static_cast<long>(done) : got;
    const bool cut = offloaded && static_cast<std::size_t>(got) < total_bytes(parts, count);
    done += static_cast<std::size_t>(got);
    if (total == 0) total = total_bytes(t.parts, t.count);
    if (got == 0 || cut || done >= total) return static_cast<long>(done);
  }
}

long transfer_at(hub& h, bool out, int fd, std::uint64_t offset, void* bytes, std::size_t size) noexcept {
  if (static_cast<std::int64_t>(offset) < 0) return -EINVAL;
  const iovec one{bytes, size};
  const file_transfer t{out, fd, &one, 1, static_cast<long>(offset), 0};
  const long got = transfer(h, caller::face, t);
  // In memory, or no file at all: the kernel answers at once.
  return got == not_on_disk ? sys::raw(out ? SYS_pwrite64 : SYS_pread64, fd, bytes, size, offset) : got;
}

}  // namespace weft::io
