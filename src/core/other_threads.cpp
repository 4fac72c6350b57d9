// Whether another thread of the process could still wake a hub: asked when nothing is left to wait for, before that is called a
// deadlock. From /proc, by raw calls; without /proc the answer is yes.
#include <fcntl.h>

#include "core/hub.hpp"
#include "sys/syscall.hpp"

namespace weft::core {
namespace {

constexpr std::uint64_t io_worker_flag = 0x10;  // PF_IO_WORKER: io_uring's, which never runs the program's code

// The figure in field `wanted` of a stat file of proc(5), counted behind the name in parentheses, which may hold anything. 0 when
// there is none.
std::uint64_t stat_field(const char* path, int wanted) noexcept {
  const long fd = sys::raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  char text[1024];
  const long n = sys::raw(SYS_read, fd, &text[0], sizeof text);
  sys::raw(SYS_close, fd);
  long at = n - 1;
  while (at > 0 && text[at] != ')') --at;
  int field = 2;
  while (at < n && field < wanted)
    if (text[++at] == ' ') ++field;
  std::uint64_t figure = 0;
  for (++at; at < n && text[at] >= '0' && text[at] <= '9'; ++at) figure = figure * 10 + static_cast<std::uint64_t>(text[at] - '0');
  return figure;
}

struct directory_entry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  std::uint8_t type;
  char name[1];
};

bool is_io_worker(const char* tid) noexcept {
  char path[64];
  char* at = path;
  const char* const parts[] = {"/proc/self/task/", tid, "/stat"};
  for (const char* from : parts)
    for (; *from != 0 && at < path + sizeof path - 1; ++from) *at++ = *from;
  *at = 0;
  return (stat_field(path, 9) & io_worker_flag) != 0;
}

std::uint64_t io_workers() noexcept {
  const long directory = sys::raw(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) return 0;
  std::uint64_t found = 0;
  alignas(8) char buffer[2048];
  long got;
  while ((got = sys::raw(SYS_getdents64, directory, &buffer[0], sizeof buffer)) > 0)
    for (long at = 0; at < got;) {
      const auto* e = reinterpret_cast<const directory_entry*>(buffer + at);
      at += e->length;
      if (e->name[0] != '.' && is_io_worker(e->name)) ++found;
    }
  sys::raw(SYS_close, directory);
  return found;
}

}  // namespace

sys::atomic<std::uint32_t> own_threads;

bool other_threads() noexcept {
  const std::uint64_t threads = stat_field("/proc/self/stat", 20);
  const std::uint64_t known = 1 + std::uint64_t{own_threads.load_relaxed()};
  return threads == 0 || (threads > known && threads > known + io_workers());
}

}  // namespace weft::core
