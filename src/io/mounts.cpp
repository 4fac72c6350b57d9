#include "io/mounts.hpp"

#include <ctime>
#include <fcntl.h>
#include <sched.h>
#include <sys/sysmacros.h>

#include "sys/atomic.hpp"
#include "sys/clock.hpp"
#include "sys/spin_lock.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

constexpr std::uint64_t fresh_ns = 5 * sys::ns_per_s;
constexpr unsigned most_mounts = 512;

constexpr const char* memory_types[] = {"tmpfs",   "proc",       "sysfs",    "devtmpfs",    "ramfs", "hugetlbfs", "cgroup", "cgroup2",
                                        "debugfs", "tracefs",    "pstore",   "securityfs",  "bpf",   "configfs",  "mqueue", "devpts",
                                        "rootfs",  "binfmt_misc", "efivarfs", "selinuxfs", "nsfs",  "fusectl",   "resctrl"};
constexpr const char* remote_types[] = {"nfs",  "nfs4",   "cifs", "smb3", "smbfs", "ceph",    "9p",    "afs",       "fuse",
                                        "fuseblk", "lustre", "gfs2", "ocfs2", "coda", "virtiofs", "autofs", "orangefs"};

// Only devices without a driver (major 0) are noted: whatever has one is a disk.
struct mount {
  std::uint64_t device;
  storage kind;
};
mount mounts[most_mounts];
unsigned count = 0;
bool remote = false;
sys::atomic<std::uint64_t> read_at;  // 0: not yet
sys::spin_word lock;

// mountinfo byte by byte: "36 35 98:0 /root /point options tags... - type source options".
class line_reader {
public:
  void take(char c) noexcept {
    if (c == '\n') {
      if (after_dash_ > 0) note();
      *this = line_reader();
    } else if (c == ' ') {
      end_field();
    } else if (field_ == 2) {
      if (c == ':') colon_ = true;
      else (colon_ ? minor_ : major_) = (colon_ ? minor_ : major_) * 10 + static_cast<unsigned>(c - '0');
    } else if (after_dash_ == 1) {
      if (used_ < sizeof type_ - 1) type_[used_++] = c;
    } else if (field_ > 5 && after_dash_ == 0) {
      dash_ = fresh_ && c == '-';
    }
    fresh_ = c == ' ';
  }

private:
  void end_field() noexcept {
    if (after_dash_ > 0) ++after_dash_;
    else if (dash_) after_dash_ = 1;
    dash_ = false;
    ++field_;
  }
  bool is(const char* name) const noexcept {
    const char* t = type_;
    while (*t != 0 && *t == *name) ++t, ++name;
    // fuse.sshfs is a fuse
    return *name == 0 && (*t == 0 || *t == '.');
  }
  void note() noexcept {
    storage kind = storage::disk;
    for (const char* name : memory_types)
      if (is(name)) kind = storage::memory;
    for (const char* name : remote_types)
      if (is(name)) kind = storage::remote;
    remote = remote || kind == storage::remote;
    if (major_ == 0 && count < most_mounts) mounts[count++] = {makedev(0, minor_), kind};
  }

  int field_ = 0, after_dash_ = 0;
  bool colon_ = false, dash_ = false, fresh_ = true;
  unsigned major_ = 0, minor_ = 0;
  unsigned used_ = 0;
  char type_[32] = {};
};

void read_mounts() noexcept {
  count = 0;
  remote = false;
  read_at.store_relaxed(sys::clock_ns(CLOCK_MONOTONIC_COARSE) | 1);
  const long fd = sys::raw(SYS_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  line_reader line;
  char text[4096];
  long n;
  while ((n = sys::raw(SYS_read, fd, &text[0], sizeof text)) > 0)
    for (long i = 0; i < n; ++i) line.take(text[i]);
  sys::raw(SYS_close, fd);
}

const mount* find(dev_t device) noexcept {
  for (unsigned i = 0; i < count; ++i)
    if (mounts[i].device == device) return &mounts[i];
  return nullptr;
}

}  // namespace

storage storage_of(dev_t device) noexcept {
  if (major(device) != 0) return storage::disk;
  const sys::spin_guard guard(lock);
  const mount* m = find(device);
  // One that is not listed (memfd's; unmounted lazily) is looked for again only when the list may be old.
  if (m == nullptr && sys::clock_ns(CLOCK_MONOTONIC_COARSE) - read_at.load_relaxed() > fresh_ns) {
    read_mounts();
    m = find(device);
  }
  return m == nullptr ? storage::disk : m->kind;
}

bool any_remote() noexcept {
  if (sys::clock_ns(CLOCK_MONOTONIC_COARSE) - read_at.load_relaxed() > fresh_ns) {
    const sys::spin_guard guard(lock);
    read_mounts();
  }
  return remote;
}

}  // namespace weft::io
