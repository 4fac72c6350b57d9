// What stands behind a path, asked without waiting for a server: which opens wait for somebody, and which calls ask a server.
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "io/file_ops.hpp"
#include "io/mounts.hpp"
#include "sys/mem.hpp"

namespace weft::io {
namespace {

// struct open_how and RESOLVE_CACHED of linux/openat2.h (Linux >= 5.12): only what the directory cache knows.
struct how {
  std::uint64_t flags, mode, resolve;
};
constexpr std::uint64_t resolve_cached = 0x20;

// With what the kernel has at hand, whatever the server would say now.
long look(int folder, const char* path, int flags, struct statx& st) noexcept {
  return sys::raw(SYS_statx, folder, path, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st);
}

storage storage_of(const struct statx& st) noexcept { return io::storage_of(makedev(st.stx_dev_major, st.stx_dev_minor)); }
bool remote(const struct statx& st) noexcept { return storage_of(st) == storage::remote; }
bool in_memory(const struct statx& st) noexcept { return storage_of(st) == storage::memory; }

constexpr std::size_t most_parent = 512;

// Devices whose open never waits: memory, terminals of the console and of ptys, /dev/tty.
bool quick_device(const struct statx& st) noexcept {
  const unsigned kind = st.stx_rdev_major;
  return kind == 1 || kind == 5 || (kind >= 128 && kind <= 143) || (kind == 4 && st.stx_rdev_minor < 64);
}

}  // namespace

bool far_descriptor(int fd) noexcept {
  if (!any_remote()) return false;
  struct statx st;
  return look(fd, "", AT_EMPTY_PATH, st) >= 0 && remote(st);
}

bool far_path(int folder, const char* path) noexcept {
  if (!any_remote()) return false;
  if (path == nullptr) return folder >= 0 && far_descriptor(folder);
  const how wanted{O_PATH | O_CLOEXEC, 0, resolve_cached};
  long fd = sys::raw(SYS_openat2, folder, path, &wanted, sizeof wanted);
  // The empty path of AT_EMPTY_PATH (the kernel has just read it), or a name that is known not to be there: whether it can be made
  // is its folder's business.
  if (fd == -ENOENT) return *path != 0 || (folder >= 0 && far_descriptor(folder));
  if (fd == -EFAULT || fd == -EBADF || fd == -ENAMETOOLONG) return false;
  if (fd < 0) return true;
  const bool far = far_descriptor(static_cast<int>(fd));
  sys::raw(SYS_close, fd);
  return far;
}

bool memory_path(int folder, const char* path) noexcept {
  struct statx st;
  if (path == nullptr) return memory_descriptor(folder);
  long got = look(folder, path, AT_SYMLINK_NOFOLLOW, st);
  if (got == -ENOENT) {
    // The kernel has just read the name. What is to be made lies in the folder before its last part.
    std::size_t length = sys::length(path);
    while (length > 0 && path[length - 1] == '/') --length;
    while (length > 0 && path[length - 1] != '/') --length;
    char parent[most_parent];
    if (length >= sizeof parent) return false;
    sys::copy(parent, path, length);
    parent[length] = 0;
    got = length == 0 && folder == AT_FDCWD ? look(folder, ".", 0, st) : look(folder, parent, length == 0 ? AT_EMPTY_PATH : 0, st);
  } else if (got >= 0 && S_ISLNK(st.stx_mode)) {
    return false;  // the call may be about what it leads to
  }
  return got >= 0 && in_memory(st);
}

bool memory_descriptor(int fd) noexcept {
  struct statx st;
  return look(fd, "", AT_EMPTY_PATH, st) >= 0 && in_memory(st);
}

long open(hub& h, const offload_call& call, int folder, const char* path, long flags) noexcept {
  // Making or emptying a file may wait for the file system's journal.
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
  const bool far = far_path(folder, path);
  const bool may_wait = (flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
  if (may_wait && !far) {
    // Between this look and the open another file may take the name's place: then the hub waits as a thread would.
    struct statx st;
    const int last_link = (flags & O_NOFOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0;
    if (look(folder, path, last_link, st) >= 0) {
      const bool fifo = S_ISFIFO(st.stx_mode) && (flags & O_ACCMODE) != O_RDWR;
      const bool device = S_ISCHR(st.stx_mode) && !quick_device(st);
      if (fifo || device) {
        offload_call slow = call;
        slow.by_ring = false;  // its workers are for what ends by itself
        return offload(h, slow, never, "open", offload_kind::waits);
      }
      if (S_ISBLK(st.stx_mode)) return offload(h, call, never, "open", offload_kind::brief);
    }
  }
  return far || (changes && !memory_path(folder, path)) ? offload(h, call, never, "open", offload_kind::brief) : 1;
}

}  // namespace weft::io
