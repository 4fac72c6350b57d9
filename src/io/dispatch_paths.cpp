// Handlers and rows of calls on paths: opening, which may wait for somebody, and metadata, which is at hand unless a server has it.
#include <fcntl.h>

#include "io/door.hpp"
#include "io/file_ops.hpp"
#include "io/mounts.hpp"
#include "io/user_memory.hpp"

namespace weft::io {
namespace {

int number(long word) noexcept { return static_cast<int>(word); }
const char* path(long word) noexcept { return reinterpret_cast<const char*>(word); }

offload_call whole(const door_frame* f, long nr) noexcept { return call_of(nr, f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9); }

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

door_answer ask_server(door_frame* f, long nr) noexcept {
  const offload_call call = whole(f, nr);
  return cooperate(f, [&call](hub& h) { return offload(h, call, never, "file", offload_kind::brief); });
}

// By where the paths stand among the words. Without a remote mount none is looked at.
door_answer on_path(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_path(AT_FDCWD, path(f->rdi)) ? ask_server(f, nr) : pass_on;
}
door_answer on_two_paths(door_frame* f, long nr) noexcept {
  return company() != nullptr && (far_path(AT_FDCWD, path(f->rdi)) || far_path(AT_FDCWD, path(f->rsi))) ? ask_server(f, nr) : pass_on;
}
door_answer on_second_path(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_path(AT_FDCWD, path(f->rsi)) ? ask_server(f, nr) : pass_on;
}
door_answer on_path_at(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_path(number(f->rdi), path(f->rsi)) ? ask_server(f, nr) : pass_on;
}
door_answer on_two_paths_at(door_frame* f, long nr) noexcept {
  const bool far =
      company() != nullptr && (far_path(number(f->rdi), path(f->rsi)) || far_path(number(f->rdx), path(f->r10)));
  return far ? ask_server(f, nr) : pass_on;
}
door_answer on_second_path_at(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_path(number(f->rsi), path(f->rdx)) ? ask_server(f, nr) : pass_on;
}
door_answer on_descriptor(door_frame* f, long nr) noexcept {
  return company() != nullptr && far_descriptor(number(f->rdi)) ? ask_server(f, nr) : pass_on;
}

constexpr door_entry rows[] = {
    {SYS_open, "file", "open", {on_open}},
    {SYS_creat, "file", "creat", {on_creat}},
    {SYS_openat, "file", "openat", {on_openat}},
    {SYS_openat2, "file", "openat2", {on_openat2}},
    {SYS_stat, "file", "stat", {on_path}},
    {SYS_lstat, "file", "lstat", {on_path}},
    {SYS_access, "file", "access", {on_path}},
    {SYS_truncate, "file", "truncate", {on_path}},
    {SYS_statfs, "file", "statfs", {on_path}},
    {SYS_chdir, "file", "chdir", {on_path}},
    {SYS_mkdir, "file", "mkdir", {on_path}},
    {SYS_rmdir, "file", "rmdir", {on_path}},
    {SYS_unlink, "file", "unlink", {on_path}},
    {SYS_readlink, "file", "readlink", {on_path}},
    {SYS_chmod, "file", "chmod", {on_path}},
    {SYS_chown, "file", "chown", {on_path}},
    {SYS_lchown, "file", "lchown", {on_path}},
    {SYS_utime, "file", "utime", {on_path}},
    {SYS_utimes, "file", "utimes", {on_path}},
    {SYS_getxattr, "file", "getxattr", {on_path}},
    {SYS_lgetxattr, "file", "lgetxattr", {on_path}},
    {SYS_setxattr, "file", "setxattr", {on_path}},
    {SYS_lsetxattr, "file", "lsetxattr", {on_path}},
    {SYS_listxattr, "file", "listxattr", {on_path}},
    {SYS_llistxattr, "file", "llistxattr", {on_path}},
    {SYS_removexattr, "file", "removexattr", {on_path}},
    {SYS_lremovexattr, "file", "lremovexattr", {on_path}},
    {SYS_rename, "file", "rename", {on_two_paths}},
    {SYS_link, "file", "link", {on_two_paths}},
    {SYS_symlink, "file", "symlink", {on_second_path}},
    {SYS_newfstatat, "file", "newfstatat", {on_path_at}},
    {SYS_statx, "file", "statx", {on_path_at}},
    {SYS_faccessat, "file", "faccessat", {on_path_at}},
    {SYS_faccessat2, "file", "faccessat2", {on_path_at}},
    {SYS_readlinkat, "file", "readlinkat", {on_path_at}},
    {SYS_mkdirat, "file", "mkdirat", {on_path_at}},
    {SYS_unlinkat, "file", "unlinkat", {on_path_at}},
    {SYS_fchmodat, "file", "fchmodat", {on_path_at}},
    {SYS_fchownat, "file", "fchownat", {on_path_at}},
    {SYS_utimensat, "file", "utimensat", {on_path_at}},
    {SYS_renameat, "file", "renameat", {on_two_paths_at}},
    {SYS_renameat2, "file", "renameat2", {on_two_paths_at}},
    {SYS_linkat, "file", "linkat", {on_two_paths_at}},
    {SYS_symlinkat, "file", "symlinkat", {on_second_path_at}},
    {SYS_fstat, "file", "fstat", {on_descriptor}},
    {SYS_fstatfs, "file", "fstatfs", {on_descriptor}},
    {SYS_fchmod, "file", "fchmod", {on_descriptor}},
    {SYS_fchown, "file", "fchown", {on_descriptor}},
    {SYS_fchdir, "file", "fchdir", {on_descriptor}},
    {SYS_getdents64, "file", "getdents64", {on_descriptor}},
    {SYS_fgetxattr, "file", "fgetxattr", {on_descriptor}},
    {SYS_fsetxattr, "file", "fsetxattr", {on_descriptor}},
    {SYS_flistxattr, "file", "flistxattr", {on_descriptor}},
    {SYS_fremovexattr, "file", "fremovexattr", {on_descriptor}},
};

}  // namespace

door_rows path_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

}  // namespace weft::io
