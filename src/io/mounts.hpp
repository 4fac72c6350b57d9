// What kind of storage stands behind a device number, from /proc/self/mountinfo: asking the file system itself (statfs) is a call to
// the server where it is remote.
#pragma once

#include <cstdint>
#include <sys/types.h>

namespace weft::io {

enum class storage : std::uint8_t {
  memory,  // tmpfs, proc, sysfs and their like: nothing to wait for
  disk,
  remote,  // network and FUSE file systems: every call may take as long as somebody else likes
};

// Of the file system with that st_dev.
storage storage_of(dev_t device) noexcept;

// Whether any remote file system is mounted. May be five seconds old.
bool any_remote() noexcept;

}  // namespace weft::io
