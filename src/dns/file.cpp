#include "dns/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "sys/syscall.hpp"

namespace weft::dns {

file_stamp stamp_of(const std::string& path) noexcept {
  struct stat st {};
  if (sys::raw(SYS_newfstatat, AT_FDCWD, path.c_str(), &st, 0) < 0) return {};
  return {st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_size), st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
}

std::string read_file(const std::string& path, bool* found) {
  std::string content;
  const long fd = sys::raw(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (found != nullptr) *found = fd >= 0;
  if (fd < 0) return content;
  char part[4096];
  for (;;) {
    const long got = sys::raw(SYS_read, fd, part, sizeof part);
    if (got == -EINTR) continue;
    if (got <= 0) break;
    content.append(part, static_cast<std::size_t>(got));
  }
  sys::raw(SYS_close, fd);
  return content;
}

}  // namespace weft::dns
