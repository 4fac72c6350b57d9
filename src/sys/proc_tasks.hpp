// What /proc says of this process's threads, by raw calls: who they are, and the fields of a stat file.
#pragma once

#include <cstdint>

#include "sys/syscall.hpp"

namespace weft::sys {

// Digits at the front of `text`.
inline std::uint64_t number_at(const char* text) noexcept {
  std::uint64_t n = 0;
  for (; *text >= '0' && *text <= '9'; ++text) n = n * 10 + static_cast<std::uint64_t>(*text - '0');
  return n;
}

// A stat file of proc_pid_stat(5), as it was read.
class task_stat {
public:
  static constexpr int state = 3, flags = 9, threads = 20;  // fields
  static constexpr std::uint64_t io_worker = 0x10;          // PF_IO_WORKER in `flags`: io_uring's, which never runs the program's code

  explicit task_stat(const char* path) noexcept { read(path); }
  explicit task_stat(std::uint32_t tid) noexcept;  // of /proc/self/task

  // What open or read answered when that was an error.
  long error() const noexcept { return size_ < 0 ? size_ : 0; }
  // Where a field from `state` on begins; "" when there is none.
  const char* field(int wanted) const noexcept;

private:
  void read(const char* path) noexcept;

  long size_ = 0;
  char text_[512];
};

// A directory of threads, open for reading: calls fn(tid) for each until that says false. What getdents64 answered last, negative: -errno.
template <class F>
long each_task(int directory, F fn) noexcept {
  struct entry {  // struct linux_dirent64
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t length;
    std::uint8_t type;
    char name[1];
  };
  alignas(8) char buffer[2048];
  for (;;) {
    const long got = raw(SYS_getdents64, directory, &buffer[0], sizeof buffer);
    if (got <= 0) return got;
    for (long at = 0; at < got;) {
      const auto* e = reinterpret_cast<const entry*>(buffer + at);
      at += e->length;
      if (const std::uint64_t tid = number_at(e->name); tid != 0 && !fn(static_cast<std::uint32_t>(tid))) return got;
    }
  }
}

}  // namespace weft::sys
