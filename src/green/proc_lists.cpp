// The list of a process's threads: getdents64(2) on /proc/self/task, and on /proc/PID/task of the process itself.
//
// Which folder a descriptor stands for, the kernel is asked; where it stands in the list is the kernel's own offset, so that rewinddir,
// seekdir, dup and fork mean what they always do. The offset is a place in the table of threads: who comes and goes meanwhile is listed
// once, or not at all, as with the kernel's own list.
#include <cerrno>
#include <dirent.h>

#include "green/caller.hpp"
#include "green/proc_paths.hpp"
#include "green/rows.hpp"
#include "io/user_memory.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct entry {
  std::uint64_t inode;
  std::int64_t next;
  std::uint16_t length;
  std::uint8_t type;
  char name[13];
};
static_assert(offsetof(entry, name) == 19);

constexpr std::int64_t dot = 0, dot_dot = 1, first_of_all = 2, first_of_table = 3;

std::uint16_t fill_in(entry& e, std::int64_t place, const char* name, std::uint64_t inode) noexcept {
  const std::size_t n = sys::length(name);
  e.inode = inode;
  e.next = place + 1;
  e.type = DT_DIR;
  sys::copy(e.name, name, n + 1);
  e.length = static_cast<std::uint16_t>(sys::round_up(offsetof(entry, name) + n + 1, 8));
  return e.length;
}

// The thread at a place or the next one behind it; null: the end.
const thread* thread_at(std::int64_t& place) noexcept {
  if (place == first_of_all) {
    if (leader().alive) return &leader();
    ++place;
  }
  for (; place - first_of_table < static_cast<std::int64_t>(table_used); ++place) {
    const thread& t = table[place - first_of_table];
    if (t.alive && &t != &leader()) return &t;
  }
  return nullptr;
}

bool next_entry(std::int64_t& place, entry& e) noexcept {
  constexpr std::uint64_t some_inode = 1u << 30;
  if (place <= dot_dot) return fill_in(e, place, place == dot ? "." : "..", some_inode + static_cast<std::uint64_t>(place)) != 0;
  const thread* t = thread_at(place);
  if (t == nullptr) return false;
  char name[12];
  *put_text(name, std::uint64_t{t->tid}) = 0;
  return fill_in(e, place, name, some_inode + t->tid) != 0;
}

long list(int fd, char* user, std::size_t room) noexcept {
  const long began = sys::raw(SYS_lseek, fd, 0, SEEK_CUR);
  if (began < 0) return began;
  std::int64_t place = began;
  std::size_t written = 0;
  for (entry e; next_entry(place, e); ++place) {
    sys::fill(e.name + sys::length(e.name), 0, sizeof e.name - sys::length(e.name));
    if (written + e.length > room) {
      if (written == 0) return -EINVAL;
      break;
    }
    if (!io::copy_out(user + written, &e, e.length)) return written != 0 ? static_cast<long>(written) : -EFAULT;
    written += e.length;
  }
  const long moved = sys::raw(SYS_lseek, fd, place, SEEK_SET);
  return moved < 0 ? moved : static_cast<long>(written);
}

door_answer on_getdents64(door_frame* f, long nr) noexcept {
  const auto room = static_cast<unsigned>(f->rdx);
  if (caller() == nullptr || natives || !is_task_folder(static_cast<int>(f->rdi))) return below(f, nr);
  return answer(list(static_cast<int>(f->rdi), reinterpret_cast<char*>(f->rsi), room < 1u << 30 ? room : 1u << 30));
}

constexpr green_entry rows[] = {
    {SYS_getdents64, on_getdents64},
};

}  // namespace

green_rows list_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
