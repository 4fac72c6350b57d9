#include "sys/proc_tasks.hpp"

#include <fcntl.h>

namespace weft::sys {

task_stat::task_stat(std::uint32_t tid) noexcept {
  char path[] = "/proc/self/task/0000000000/stat";
  char digits[10];
  int n = 0;
  do digits[n++] = static_cast<char>('0' + tid % 10);
  while ((tid /= 10) != 0);
  char* at = path + sizeof "/proc/self/task/" - 1;
  while (n > 0) *at++ = digits[--n];
  for (const char* tail = "/stat"; *tail != 0;) *at++ = *tail++;
  *at = 0;
  read(path);
}

void task_stat::read(const char* path) noexcept {
  const long fd = raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  size_ = fd;
  if (fd >= 0) {
    size_ = raw(SYS_read, fd, &text_[0], sizeof text_ - 1);
    raw(SYS_close, fd);
  }
  text_[size_ < 0 ? 0 : size_] = 0;
}

// "tid (name) S ...": the name may hold anything, so the last parenthesis counts.
const char* task_stat::field(int wanted) const noexcept {
  long at = size_ - 1;
  while (at > 0 && text_[at] != ')') --at;
  if (at <= 0) return "";
  int n = state - 1;
  while (at < size_ && n < wanted)
    if (text_[++at] == ' ') ++n;
  return at < size_ ? &text_[at + 1] : "";
}

}  // namespace weft::sys
