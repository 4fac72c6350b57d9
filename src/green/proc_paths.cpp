// /proc/self/task/TID, /proc/PID/task/TID and /proc/TID where TID is a green thread's: the kernel has no such folder. `comm` is a small
// file in memory that holds the thread's name, and from which a name that was written is taken; every other path is the carrier's task's.
// A folder's listing shows the OS threads, and paths relative to an open folder are the kernel's.
#include "green/proc_paths.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>

#include "green/caller.hpp"
#include "green/names.hpp"
#include "green/rows.hpp"
#include "green/user_text.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

constexpr std::size_t longest = 256;

// What a path means.
struct meaning {
  enum : std::uint8_t { as_it_is, nobody, name, elsewhere } what = as_it_is;
  thread* who = nullptr;
  char path[longest + 32];  // elsewhere
};

bool begins(const char*& at, const char* with) noexcept {
  const char* p = at;
  for (; *with != 0; ++with, ++p)
    if (*p != *with) return false;
  at = p;
  return true;
}

bool number_at(const char*& at, std::uint64_t& n) noexcept {
  const char* p = at;
  for (n = 0; *p >= '0' && *p <= '9' && p - at < 11; ++p) n = n * 10 + static_cast<std::uint64_t>(*p - '0');
  if (p == at || (*p != 0 && *p != '/')) return false;
  at = p;
  return true;
}

char* put(char* to, const char* text) noexcept {
  while (*text != 0) *to++ = *text++;
  *to = 0;
  return to;
}

char* put(char* to, std::uint64_t n) noexcept {
  char digits[20];
  int count = 0;
  do digits[count++] = static_cast<char>('0' + n % 10);
  while ((n /= 10) != 0);
  while (count > 0) *to++ = digits[--count];
  *to = 0;
  return to;
}

void look_at(const char* path, meaning& m) noexcept {
  const char* at = path;
  std::uint64_t id = 0;
  if (!begins(at, "/proc/")) return;
  if (begins(at, "thread-self/comm") && *at == 0) {
    m.who = caller();
    if (m.who != nullptr) m.what = meaning::name;
    return;
  }
  if (begins(at, "self/task/")) {
    if (!number_at(at, id)) return;
  } else {
    if (!number_at(at, id)) return;
    if (!is_green_id(static_cast<long>(id)) && id == leader().tid && (!begins(at, "/task/") || !number_at(at, id))) return;
  }
  if (!is_green_id(static_cast<long>(id))) return;
  m.who = find(static_cast<std::uint32_t>(id));
  if (m.who == nullptr) {
    m.what = meaning::nobody;
    return;
  }
  // /proc/TID/task/TID, too.
  if (const char* more = at; begins(more, "/task/") && number_at(more, id) && find(static_cast<std::uint32_t>(id)) != nullptr) at = more;
  if (const char* rest = at; begins(rest, "/comm") && *rest == 0) {
    m.what = meaning::name;
    return;
  }
  m.what = meaning::elsewhere;
  put(put(put(&m.path[0], "/proc/self/task/"), leader().tid), at);
}

bool may_be_of_proc(const char* user) noexcept {
  char head[7];
  if (home == nullptr || user == nullptr || copy_text(head, sizeof head, user) != 6) return false;
  const char* at = head;
  return begins(at, "/proc/");
}

void mean(const char* user, meaning& m) noexcept {
  char path[longest];
  if (!may_be_of_proc(user) || caller() == nullptr) return;
  const long length = copy_text(path, sizeof path, user);
  if (length < 0 || length == static_cast<long>(sizeof path) - 1) return;
  look_at(path, m);
}

// ---- comm

struct open_name {
  int fd = -1;
  std::uint32_t tid = 0;
};
constexpr int most_open = 16;
open_name open_names[most_open];
int how_many_open = 0;

void take_written(const open_name& file) noexcept {
  thread* t = find(file.tid);
  char text[64];
  const long written = sys::raw(SYS_lseek, file.fd, 0, SEEK_CUR);
  const long there = sys::raw(SYS_pread64, file.fd, &text[0], sizeof text, 0);
  if (t == nullptr || written <= 0 || there <= 0) return;
  char old[name_bytes];
  name_of_itself(*t, old);
  const std::size_t n = sys::length(old);
  bool same = static_cast<std::size_t>(there) == n + 1 && text[n] == '\n';
  for (std::size_t i = 0; same && i < n; ++i) same = text[i] == old[i];
  if (!same) set_name(*t, text, static_cast<std::size_t>(written < there ? written : there));
}

long open_name_of(thread& t, long flags) noexcept {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if ((flags & O_DIRECTORY) != 0) return -ENOTDIR;
  char name[name_bytes + 1];
  name_of(t, name);
  const std::size_t n = sys::length(name);
  name[n] = '\n';
  const long fd = sys::raw(SYS_memfd_create, "comm", (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0);
  if (fd < 0) return fd;
  if ((flags & O_ACCMODE) != O_WRONLY) sys::raw(SYS_pwrite64, fd, &name[0], n + 1, 0);
  if (!writes) return fd;
  for (open_name& place : open_names)
    if (place.fd < 0) {
      place = {static_cast<int>(fd), t.tid};
      ++how_many_open;
      break;
    }
  return fd;
}

door_answer on_close(door_frame* f, long nr) noexcept {
  if (how_many_open != 0)
    for (open_name& file : open_names)
      if (file.fd >= 0 && file.fd == static_cast<int>(f->rdi)) {
        take_written(file);
        file.fd = -1;
        --how_many_open;
      }
  return below(f, nr);
}

// ---- the calls

// The call with another path in the register that has it. /proc never waits.
long with_path(const door_frame* f, long nr, bool at, const char* path) noexcept {
  return at ? sys::raw(nr, f->rdi, path, f->rdx, f->r10, f->r8) : sys::raw(nr, path, f->rsi, f->rdx, f->r10, f->r8);
}

door_answer on_path(door_frame* f, long nr, bool at) noexcept {
  const char* user = reinterpret_cast<const char*>(at ? f->rsi : f->rdi);
  if (!may_be_of_proc(user)) return below(f, nr);
  meaning m;
  mean(user, m);
  if (m.what == meaning::as_it_is) return below(f, nr);
  if (m.what == meaning::nobody) return answer(-ENOENT);
  if (m.what == meaning::name) {
    const bool opens = nr == SYS_open || nr == SYS_openat;
    if (opens) return answer(open_name_of(*m.who, nr == SYS_open ? f->rsi : f->rdx));
    put(put(put(&m.path[0], "/proc/self/task/"), leader().tid), "/comm");
  }
  return answer(with_path(f, nr, at, m.path));
}
door_answer on_plain(door_frame* f, long nr) noexcept { return on_path(f, nr, false); }
door_answer on_at(door_frame* f, long nr) noexcept { return on_path(f, nr, true); }

constexpr green_entry rows[] = {
    {SYS_open, on_plain},   {SYS_stat, on_plain},      {SYS_lstat, on_plain},     {SYS_access, on_plain},    {SYS_readlink, on_plain},
    {SYS_chdir, on_plain},  {SYS_openat, on_at},       {SYS_openat2, on_at},      {SYS_newfstatat, on_at},   {SYS_statx, on_at},
    {SYS_faccessat, on_at}, {SYS_faccessat2, on_at},   {SYS_readlinkat, on_at},   {SYS_close, on_close},
};

}  // namespace

void take_written_names() noexcept {
  if (how_many_open == 0) return;
  for (const open_name& file : open_names)
    if (file.fd >= 0) take_written(file);
}

green_rows proc_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
