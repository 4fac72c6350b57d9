// Handlers and rows of calls on paths: opening, which may wait for somebody; changes, which may wait for the disk; looks, which are
// answered from memory unless a server has to be asked.
#include <fcntl.h>

#include "io/door.hpp"
#include "io/file_ops.hpp"
#include "io/frame_words.hpp"
#include "io/user_memory.hpp"

namespace weft::io {
namespace {

const char* path(long word) noexcept { return reinterpret_cast<const char*>(word); }

door_answer open_it(door_frame* f, long nr, int folder, const char* name, long flags) noexcept {
  long got = 1;
  const offload_call call = whole(f, nr);
  const door_answer answer = cooperate(f, [&](hub& h) { return got = open(h, call, folder, name, flags); });
  return got == 1 ? pass_on : answer;
}

door_answer on_open(door_frame* f, long nr) noexcept { return open_it(f, nr, AT_FDCWD, path(f->rdi), f->rsi); }
door_answer on_creat(door_frame* f, long nr) noexcept {
  return open_it(f, nr, AT_FDCWD, path(f->rdi), O_CREAT | O_WRONLY | O_TRUNC);
}
door_answer on_openat(door_frame* f, long nr) noexcept { return open_it(f, nr, number(f->rdi), path(f->rsi), f->rdx); }
door_answer on_openat2(door_frame* f, long nr) noexcept {
  std::uint64_t how[3];
  if (f->r10 < static_cast<long>(sizeof how) || !copy_in(&how[0], reinterpret_cast<const void*>(f->rdx), sizeof how)) return pass_on;
  return open_it(f, nr, number(f->rdi), path(f->rsi), static_cast<long>(how[0]));
}

door_answer by_another(door_frame* f, long nr) noexcept {
  const offload_call call = whole(f, nr);
  return cooperate(f, [&call](hub& h) { return offload(h, call, never, "file", offload_kind::brief); });
}

// What changes a file system may have to wait for its journal, which somebody's fsync is writing. In memory (the semaphores and shared
// memory of /dev/shm) there is none: a look costs half a microsecond, a call by somebody else twenty, and its result lies about
// while another thread computes.
door_answer change(door_frame* f, long nr, int folder, const char* name) noexcept {
  if (company() == nullptr || (!far_path(folder, name) && memory_path(folder, name))) return pass_on;
  return by_another(f, nr);
}
door_answer on_change(door_frame* f, long nr) noexcept { return change(f, nr, AT_FDCWD, path(f->rdi)); }
door_answer on_change_at(door_frame* f, long nr) noexcept { return change(f, nr, number(f->rdi), path(f->rsi)); }
door_answer on_symlink(door_frame* f, long nr) noexcept { return change(f, nr, AT_FDCWD, path(f->rsi)); }
door_answer on_symlink_at(door_frame* f, long nr) noexcept { return change(f, nr, number(f->rsi), path(f->rdx)); }
door_answer on_change_of(door_frame* f, long nr) noexcept {
  const int fd = number(f->rdi);
  if (company() == nullptr || (!far_descriptor(fd) && memory_descriptor(fd))) return pass_on;
  return by_another(f, nr);
}

// What only looks is made at once where no server is asked. Without a remote mount no path is looked at.
door_answer on_path(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_path(AT_FDCWD, path(f->rdi)) ? by_another(f, nr) : pass_on;
}
door_answer on_path_at(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_path(number(f->rdi), path(f->rsi)) ? by_another(f, nr) : pass_on;
}
door_answer on_descriptor(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_descriptor(number(f->rdi)) ? by_another(f, nr) : pass_on;
}

constexpr door_entry rows[] = {
    {SYS_open, "file", "open", {on_open}},
    {SYS_creat, "file", "creat", {on_creat}},
    {SYS_openat, "file", "openat", {on_openat}},
    {SYS_openat2, "file", "openat2", {on_openat2}},
    {SYS_stat, "file", "stat", {on_path}},
    {SYS_lstat, "file", "lstat", {on_path}},
    {SYS_access, "file", "access", {on_path}},
    {SYS_truncate, "file", "truncate", {on_change}},
    {SYS_statfs, "file", "statfs", {on_path}},
    {SYS_chdir, "file", "chdir", {on_path}},
    {SYS_mkdir, "file", "mkdir", {on_change}},
    {SYS_rmdir, "file", "rmdir", {on_change}},
    {SYS_unlink, "file", "unlink", {on_change}},
    {SYS_readlink, "file", "readlink", {on_path}},
    {SYS_chmod, "file", "chmod", {on_change}},
    {SYS_chown, "file", "chown", {on_change}},
    {SYS_lchown, "file", "lchown", {on_change}},
    {SYS_utime, "file", "utime", {on_change}},
    {SYS_utimes, "file", "utimes", {on_change}},
    {SYS_getxattr, "file", "getxattr", {on_path}},
    {SYS_lgetxattr, "file", "lgetxattr", {on_path}},
    {SYS_setxattr, "file", "setxattr", {on_change}},
    {SYS_lsetxattr, "file", "lsetxattr", {on_change}},
    {SYS_listxattr, "file", "listxattr", {on_path}},
    {SYS_llistxattr, "file", "llistxattr", {on_path}},
    {SYS_removexattr, "file", "removexattr", {on_change}},
    {SYS_lremovexattr, "file", "lremovexattr", {on_change}},
    {SYS_rename, "file", "rename", {on_change}},
    {SYS_link, "file", "link", {on_change}},
    {SYS_symlink, "file", "symlink", {on_symlink}},
    {SYS_newfstatat, "file", "newfstatat", {on_path_at}},
    {SYS_statx, "file", "statx", {on_path_at}},
    {SYS_faccessat, "file", "faccessat", {on_path_at}},
    {SYS_faccessat2, "file", "faccessat2", {on_path_at}},
    {SYS_readlinkat, "file", "readlinkat", {on_path_at}},
    {SYS_mkdirat, "file", "mkdirat", {on_change_at}},
    {SYS_unlinkat, "file", "unlinkat", {on_change_at}},
    {SYS_fchmodat, "file", "fchmodat", {on_change_at}},
    {SYS_fchownat, "file", "fchownat", {on_change_at}},
    {SYS_utimensat, "file", "utimensat", {on_change_at}},
    {SYS_renameat, "file", "renameat", {on_change_at}},
    {SYS_renameat2, "file", "renameat2", {on_change_at}},
    {SYS_linkat, "file", "linkat", {on_change_at}},
    {SYS_symlinkat, "file", "symlinkat", {on_symlink_at}},
    {SYS_fstat, "file", "fstat", {on_descriptor}},
    {SYS_fstatfs, "file", "fstatfs", {on_descriptor}},
    {SYS_fchmod, "file", "fchmod", {on_change_of}},
    {SYS_fchown, "file", "fchown", {on_change_of}},
    {SYS_fchdir, "file", "fchdir", {on_descriptor}},
    {SYS_getdents64, "file", "getdents64", {on_descriptor}},
    {SYS_fgetxattr, "file", "fgetxattr", {on_descriptor}},
    {SYS_fsetxattr, "file", "fsetxattr", {on_change_of}},
    {SYS_flistxattr, "file", "flistxattr", {on_descriptor}},
    {SYS_fremovexattr, "file", "fremovexattr", {on_change_of}},
};

}  // namespace

door_rows path_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

}  // namespace weft::io
