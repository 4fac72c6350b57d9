// Paths of threads in /proc: /proc/self/task/TID, /proc/PID/task/TID, /proc/TID where TID is a green thread's, /proc/thread-self, and what
// is relative to an open folder of them. The kernel has no such folder. `comm`, `stat`, `status` and `schedstat` are small files in
// memory, that hold what the kernel would say of the thread; a name that is written to `comm` is the thread's. The process's own stat and
// status are, too: they tell how many threads there are. Every other path is the carrier's task's.
#include "green/proc_paths.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "green/caller.hpp"
#include "green/names.hpp"
#include "green/proc_texts.hpp"
#include "green/rows.hpp"
#include "green/user_text.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

constexpr std::size_t longest = 256;

// What a path means.
struct meaning {
  enum : std::uint8_t { as_it_is, nobody, name, text, folder, link, elsewhere } what = as_it_is;
  proc_text which = proc_text::none;
  bool process = false;    // the whole process's file
  thread* who = nullptr;
  char path[longest + 32];  // elsewhere; of a text, where the kernel's is
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

// The thread that a path begins with; `at` is behind it. False: it is the kernel's to say.
bool find_thread(const char*& at, meaning& m, bool& moved) noexcept {
  std::uint64_t id = 0;
  const auto ends = [](const char* p) { return *p == 0 || *p == '/'; };
  if (const char* p = at; begins(p, "thread-self") && ends(p)) {
    at = p;
    m.who = caller();
    moved = true;
    if (*at == 0) m.what = meaning::link;
  } else if (p = at; begins(p, "self") && ends(p)) {
    at = p;
    m.who = &leader();
    m.process = true;
  } else {
    if (!number_at(at, id)) return false;
    m.who = find(static_cast<std::uint32_t>(id));
    m.process = id == leader().tid;
    moved = is_green_id(static_cast<long>(id));
    if (moved && m.who == nullptr) m.what = meaning::nobody;
    if (!moved && !m.process) return false;
  }
  if (const char* p = at; m.what == meaning::as_it_is && begins(p, "/task/") && number_at(p, id)) {
    m.who = find(static_cast<std::uint32_t>(id));
    moved = is_green_id(static_cast<long>(id));
    m.process = false;
    if (!moved && id != leader().tid) return false;
    if (m.who == nullptr) m.what = meaning::nobody;
    at = p;
  }
  return true;
}

void look_at(const char* path, meaning& m) noexcept {
  const char* at = path;
  bool moved = false;
  if (!begins(at, "/proc/") || !find_thread(at, m, moved) || m.what != meaning::as_it_is) return;
  put_text(put_text(put_text(&m.path[0], "/proc/self/task/"), std::uint64_t{leader().tid}), at);
  if (*at == '/') m.which = text_named(at + 1);
  if (const char* rest = at; begins(rest, "/comm") && *rest == 0 && m.who != &leader())
    m.what = meaning::name;
  else if (m.which != proc_text::none && !(m.process && m.which == proc_text::schedstat))
    m.what = meaning::text;
  else if (rest = at; m.process && begins(rest, "/task") && (*rest == 0 || (*rest == '/' && rest[1] == 0)))
    m.what = meaning::folder;
  else if (moved)
    m.what = meaning::elsewhere;
}

// What the kernel says a descriptor stands for, or the working directory; 0 where that is no path below /proc.
std::size_t folder_of(int fd, char* to, std::size_t size) noexcept {
  char link[40];
  if (fd == AT_FDCWD)
    put_text(link, "/proc/self/cwd");
  else
    put_text(put_text(link, "/proc/self/fd/"), static_cast<std::uint64_t>(fd));
  const long n = fd < 0 && fd != AT_FDCWD ? -1 : sys::raw(SYS_readlink, &link[0], to, size - 1);
  if (n <= 0) return 0;
  to[n] = 0;
  const char* at = to;
  return begins(at, "/proc") && (*at == 0 || *at == '/') ? static_cast<std::size_t>(n) : 0;
}

// Few words of a path tell that it is none of these.
void mean(int fd, const char* user, meaning& m) noexcept {
  char path[longest];
  char head[9];
  if (home == nullptr || user == nullptr) return;
  const long begun = copy_text(head, sizeof head, user);
  if (begun < 4 || (head[0] != '/' && (begun < 8 || head[0] < '1' || head[0] > '9'))) return;
  std::size_t before = 0;
  if (head[0] == '/') {
    const char* at = head;
    if (!begins(at, "/proc/") || caller() == nullptr) return;
  } else {
    // A name that begins as the number of a green thread does.
    for (int i = 0; i < 8; ++i)
      if (head[i] < '0' || head[i] > '9') return;
    if (caller() == nullptr || (before = folder_of(fd, path, 64)) == 0) return;
    path[before++] = '/';
  }
  const long length = copy_text(path + before, sizeof path - before, user);
  if (length < 0 || length == static_cast<long>(sizeof path - before) - 1) return;
  look_at(path, m);
}

// ---- the files in memory

struct open_file {
  int fd = -1;
  std::uint32_t tid = 0;
  proc_text which = proc_text::none;  // none: a name that may be written to
  bool process = false;
  std::uint64_t inode = 0;            // the number may be another file's by now
};
constexpr int most_open = 16;
open_file open_files[most_open];
int how_many_open = 0;

std::uint64_t inode_of(int fd) noexcept {
  struct stat s;
  return sys::raw(SYS_fstat, fd, &s) == 0 ? s.st_ino : 0;
}

void note_open(int fd, const thread& t, proc_text which, bool process) noexcept {
  for (open_file& place : open_files)
    if (place.fd < 0 || inode_of(place.fd) != place.inode) {
      if (place.fd < 0) ++how_many_open;
      place = {fd, t.tid, which, process, inode_of(fd)};
      return;
    }
}

void take_written(const open_file& file) noexcept {
  thread* t = find(file.tid);
  char text[64];
  if (t == nullptr || file.which != proc_text::none || inode_of(file.fd) != file.inode) return;
  const long written = sys::raw(SYS_lseek, file.fd, 0, SEEK_CUR);
  const long there = sys::raw(SYS_pread64, file.fd, &text[0], sizeof text, 0);
  if (written <= 0 || there <= 0) return;
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
  if (writes) note_open(static_cast<int>(fd), t, proc_text::none, false);
  return fd;
}

// False: the kernel's is to be used.
bool fill_with_text(int fd, proc_text which, thread& t, bool process) noexcept {
  auto* text = static_cast<char*>(sys::map(text_bytes));
  if (text == nullptr) return false;
  const std::size_t n = write_text(which, t, process, text);
  const bool done = n != 0 && sys::raw(SYS_ftruncate, fd, 0) == 0 && sys::raw(SYS_pwrite64, fd, text, n, 0) == static_cast<long>(n);
  sys::unmap(text, text_bytes);
  return done;
}

long open_text_of(const meaning& m, long flags) noexcept {
  if ((flags & (O_ACCMODE | O_DIRECTORY | O_PATH)) != O_RDONLY) return -EINVAL;
  const long fd = sys::raw(SYS_memfd_create, "proc", (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0);
  if (fd < 0) return fd;
  if (!fill_with_text(static_cast<int>(fd), m.which, *m.who, m.process)) {
    sys::raw(SYS_close, fd);
    return -EINVAL;
  }
  note_open(static_cast<int>(fd), *m.who, m.which, m.process);
  return fd;
}

door_answer on_close(door_frame* f, long nr) noexcept {
  if (how_many_open != 0)
    for (open_file& file : open_files)
      if (file.fd >= 0 && file.fd == static_cast<int>(f->rdi)) {
        take_written(file);
        file.fd = -1;
        --how_many_open;
      }
  return below(f, nr);
}

// Who reads such a file again from its beginning sees what is true by then.
door_answer on_lseek(door_frame* f, long nr) noexcept {
  if (how_many_open != 0 && f->rsi == 0 && f->rdx == SEEK_SET && caller() != nullptr)
    for (const open_file& file : open_files) {
      if (file.fd < 0 || file.fd != static_cast<int>(f->rdi) || file.which == proc_text::none) continue;
      thread* t = find(file.tid);
      if (t != nullptr && inode_of(file.fd) == file.inode) fill_with_text(file.fd, file.which, *t, file.process);
    }
  return below(f, nr);
}

// ---- the calls

// The call with another path in the register that has it. /proc never waits.
long with_path(const door_frame* f, long nr, bool at, const char* path) noexcept {
  return at ? sys::raw(nr, f->rdi, path, f->rdx, f->r10, f->r8) : sys::raw(nr, path, f->rsi, f->rdx, f->r10, f->r8);
}

// What the kernel has just answered of the folder of tasks: a link for each.
void put_links(const door_frame* f, long nr) noexcept {
  const std::uint64_t links = 2 + threads_shown(1);
  if (nr == SYS_statx)
    reinterpret_cast<struct statx*>(f->r8)->stx_nlink = static_cast<std::uint32_t>(links);
  else
    reinterpret_cast<struct stat*>(nr == SYS_newfstatat ? f->rdx : f->rsi)->st_nlink = links;
}

// readlink of /proc/thread-self.
long read_link(const thread& t, long user, long size) noexcept {
  char text[40];
  if (static_cast<int>(size) <= 0) return -EINVAL;
  char* end = put_text(put_text(put_text(text, std::uint64_t{leader().tid}), "/task/"), std::uint64_t{t.tid});
  const long n = end - text < size ? end - text : size;
  const std::uint64_t from[2] = {reinterpret_cast<std::uint64_t>(&text[0]), static_cast<std::uint64_t>(n)};
  const std::uint64_t to[2] = {static_cast<std::uint64_t>(user), static_cast<std::uint64_t>(n)};
  return sys::raw(SYS_process_vm_writev, sys::raw(SYS_getpid), &from[0], 1, &to[0], 1, 0) == n ? n : -EFAULT;
}

door_answer on_path(door_frame* f, long nr, bool at) noexcept {
  meaning m;
  mean(at ? static_cast<int>(f->rdi) : AT_FDCWD, reinterpret_cast<const char*>(at ? f->rsi : f->rdi), m);
  if (m.what == meaning::as_it_is) return below(f, nr);
  if (m.what == meaning::nobody) return answer(-ENOENT);
  const bool opens = nr == SYS_open || nr == SYS_openat;
  const long flags = nr == SYS_open ? f->rsi : f->rdx;
  if (m.what == meaning::link) {
    const bool reads = nr == SYS_readlink || nr == SYS_readlinkat;
    return reads ? answer(read_link(*m.who, at ? f->rdx : f->rsi, at ? f->r10 : f->rdx)) : below(f, nr);
  }
  if (m.what == meaning::folder) {
    const bool stats = nr == SYS_stat || nr == SYS_lstat || nr == SYS_newfstatat || nr == SYS_statx;
    if (!stats) return below(f, nr);
    const long got = with_path(f, nr, at, "/proc/self/task");
    if (got == 0) put_links(f, nr);
    return answer(got);
  }
  if (m.what == meaning::name && opens) return answer(open_name_of(*m.who, flags));
  if (m.what == meaning::text && opens)
    if (const long fd = open_text_of(m, flags); fd >= 0) return answer(fd);
  return m.process ? below(f, nr) : answer(with_path(f, nr, at, m.path));
}
door_answer on_plain(door_frame* f, long nr) noexcept { return on_path(f, nr, false); }
door_answer on_at(door_frame* f, long nr) noexcept { return on_path(f, nr, true); }

constexpr green_entry rows[] = {
    {SYS_open, on_plain},   {SYS_stat, on_plain},      {SYS_lstat, on_plain},     {SYS_access, on_plain},    {SYS_readlink, on_plain},
    {SYS_chdir, on_plain},  {SYS_openat, on_at},       {SYS_openat2, on_at},      {SYS_newfstatat, on_at},   {SYS_statx, on_at},
    {SYS_faccessat, on_at}, {SYS_faccessat2, on_at},   {SYS_readlinkat, on_at},   {SYS_close, on_close},
    {SYS_lseek, on_lseek},
};

}  // namespace

void take_written_names() noexcept {
  if (how_many_open == 0) return;
  for (const open_file& file : open_files)
    if (file.fd >= 0) take_written(file);
}

bool is_task_folder(int fd) noexcept {
  char path[64];
  if (folder_of(fd, path, sizeof path) == 0) return false;
  const char* at = path;
  std::uint64_t id = 0;
  return begins(at, "/proc/") && number_at(at, id) && id == leader().tid && begins(at, "/task") && *at == 0;
}

char* put_text(char* to, const char* text) noexcept {
  while (*text != 0) *to++ = *text++;
  *to = 0;
  return to;
}

char* put_text(char* to, std::uint64_t n) noexcept {
  char digits[20];
  int count = 0;
  do digits[count++] = static_cast<char>('0' + n % 10);
  while ((n /= 10) != 0);
  while (count > 0) *to++ = digits[--count];
  *to = 0;
  return to;
}

green_rows proc_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
