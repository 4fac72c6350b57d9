// Whether another thread of the process could still wake a hub: asked when nothing is left to wait for, before that is called a
// deadlock. From /proc, by raw calls; without /proc the answer is yes.
#include <fcntl.h>

#include "core/hub.hpp"
#include "sys/proc_tasks.hpp"
#include "sys/syscall.hpp"

namespace weft::core {
namespace {

std::uint64_t io_workers() noexcept {
  const long directory = sys::raw(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) return 0;
  std::uint64_t found = 0;
  sys::each_task(static_cast<int>(directory), [&found](std::uint32_t tid) {
    const sys::task_stat stat(tid);
    if ((sys::number_at(stat.field(stat.flags)) & stat.io_worker) != 0) ++found;
    return true;
  });
  sys::raw(SYS_close, directory);
  return found;
}

}  // namespace

sys::atomic<std::uint32_t> own_threads;

bool other_threads() noexcept {
  const sys::task_stat stat("/proc/self/stat");
  const std::uint64_t threads = sys::number_at(stat.field(stat.threads));
  const std::uint64_t known = 1 + std::uint64_t{own_threads.load_relaxed()};
  return threads == 0 || (threads > known && threads > known + io_workers());
}

}  // namespace weft::core
