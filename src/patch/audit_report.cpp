// The report of an audited process, at its exit: for each hub's thread the two counts, and the calls that waited elsewhere, by name.
// Ordinary code; relies on the records of audit.cpp, whose threads may be gone.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <iterator>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "core/stall_probe.hpp"
#include "io/dispatch.hpp"
#include "patch/audit.hpp"
#include "sys/features.hpp"

namespace weft::patch {
namespace {

std::string caller(const void* site) {
  Dl_info info{};
  if (site == nullptr || dladdr(site, &info) == 0 || info.dli_fname == nullptr) return "an interposed function";
  const char* file = std::strrchr(info.dli_fname, '/');
  const std::string object = file != nullptr ? file + 1 : info.dli_fname;
  return info.dli_sname != nullptr ? std::string(info.dli_sname) + " (" + object + ")" : object;
}

std::string standing(long nr) {
  std::string text = "no handler: Weft leaves this call to the kernel";
  io::each_door([&](const io::door_entry& row) {
    if (row.nr == nr) {
      text = std::string("group ") + row.group;
      if (!io::group_selected(row.group, sys::env("WEFT_PATCH"))) text += ", which WEFT_PATCH excludes";
    }
  });
  return text;
}

// Local metadata is made inline, because a thread would cost more than it: rarely the file system's journal is waited for. close
// is among them, since the last one of an unlinked file deletes it, or tears down what an inotify instance watched.
bool is_metadata(const audit_finding& f) {
  static constexpr long calls[] = {
      SYS_close,     SYS_open,      SYS_openat,    SYS_openat2,   SYS_creat,      SYS_mkdir,       SYS_mkdirat,  SYS_rmdir,
      SYS_unlink,    SYS_unlinkat,  SYS_rename,    SYS_renameat,  SYS_renameat2,  SYS_link,        SYS_linkat,   SYS_symlink,
      SYS_symlinkat, SYS_stat,      SYS_lstat,     SYS_fstat,     SYS_newfstatat, SYS_statx,       SYS_access,   SYS_faccessat,
      SYS_chmod,     SYS_fchmod,    SYS_fchmodat,  SYS_chown,     SYS_fchown,     SYS_fchownat,    SYS_lchown,   SYS_utime,
      SYS_utimes,    SYS_utimensat, SYS_truncate,  SYS_getdents64, SYS_readlink,  SYS_readlinkat,  SYS_getxattr, SYS_setxattr,
  };
  return f.place != audit_place::outside && std::find(std::begin(calls), std::end(calls), f.nr) != std::end(calls);
}

std::string line(const audit_finding& f) {
  const char* name = core::system_call_name(f.nr);
  const std::string call = (name != nullptr ? name : "call") + std::string(" (") + std::to_string(f.nr) + ")";
  std::string text = "weft audit:   " + std::to_string(f.switches);
  switch (f.place) {
    case audit_place::passed: text += " in " + call + " by " + caller(f.site) + ", " + standing(f.nr); break;
    case audit_place::inside: text += " within Weft, on behalf of " + call + " by " + caller(f.site); break;
    case audit_place::outside: text += " outside of any call, before " + call + " by " + caller(f.site); break;
  }
  return text + (is_metadata(f) ? ": local metadata, made inline\n" : "\n");
}

// One write: several processes may append to one file.
void tell(const std::string& text) {
  const char* where = sys::env("WEFT_AUDIT");
  const int fd = where != nullptr && *where == '/' ? ::open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : 2;
  if (fd >= 0 && ::write(fd, text.data(), text.size()) < 0) std::perror("weft audit");
  if (fd > 2) ::close(fd);
}

bool begun = false;

[[gnu::destructor]] void tell_of_none() {
  const char* audit = sys::env("WEFT_AUDIT");
  if (begun || audit == nullptr || *audit == 0 || *audit == '0') return;
  tell("weft audit: process " + std::to_string(getpid()) +
       " was not audited: its system calls are not rewritten (no patch_all() in it, no shim)\n");
}

void report() {
  std::string text;
  int hubs = 0;
  for (const audit_record& r : audit_records) {
    if (r.taken.load_relaxed() == 0) continue;
    ++hubs;
    std::uint64_t metadata = 0;
    for (int i = 0; i < r.findings; ++i)
      if (is_metadata(r.found[i])) metadata += r.found[i].switches;
    const std::uint64_t elsewhere = r.elsewhere - metadata;
    text += "weft audit: thread " + std::to_string(r.thread) + ": " + std::to_string(r.switches) + " voluntary switches, " +
            std::to_string(r.in_polls) + " in " + std::to_string(r.blocked_polls) + " blocked waits of its poller, " +
            std::to_string(r.allowed) + " alone or in fork, exec and page faults, " + std::to_string(metadata) + " in local metadata, " +
            std::to_string(elsewhere) + " elsewhere: " + (elsewhere == 0 ? "ok\n" : "FAILED\n");
    for (int i = 0; i < r.findings; ++i) text += line(r.found[i]);
  }
  if (hubs != 0) tell(text);
}

}  // namespace

void report_audit_at_exit() noexcept {
  if (!std::exchange(begun, true)) std::atexit(report);
}

}  // namespace weft::patch
