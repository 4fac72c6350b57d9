// What the kernel can do for Weft, each thing tried.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include "machine.hpp"
#include "patch/cache_folder.hpp"

namespace weft::doctor {
namespace {

constexpr std::size_t page = 4096;

finding versions() {
  utsname u{};
  uname(&u);
  int major = 0, minor = 0;
  std::sscanf(u.release, "%d.%d", &major, &minor);
  const std::string words = std::string(u.sysname) + " " + u.release + ", " + u.machine + ", glibc " + gnu_get_libc_version();
  if (major < 5 || (major == 5 && minor < 9))
    return {level::missing, "kernel", words + ": before 5.9 programs may not set their FS and GS base, so Weft cannot run",
            "a kernel of 5.9 or later"};
  return {level::ok, "kernel", words, ""};
}

finding fsgsbase() {
  constexpr unsigned long hwcap2_fsgsbase = 2;
  if ((getauxval(AT_HWCAP2) & hwcap2_fsgsbase) != 0)
    return {level::ok, "FSGSBASE", "threads get their own FS base without a system call", ""};
  return {level::missing, "FSGSBASE", "not allowed here: pthreads stay threads of the kernel; fibers of the API work",
          "a CPU of Ivy Bridge / Zen 2 or later, no `nofsgsbase` on the kernel's command line, a hypervisor that passes it on"};
}

// Memory of one page, for trying.
struct scratch {
  void* at = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ~scratch() {
    if (at != MAP_FAILED) munmap(at, page);
  }
};

finding guards(unsigned long long mappings) {
  constexpr int madv_guard_install = 102;
  const scratch s;
  if (s.at != MAP_FAILED && madvise(s.at, page, madv_guard_install) == 0)
    return {level::ok, "guard pages", "MADV_GUARD_INSTALL: the guard of a stack costs no mapping, so mappings limit nothing", ""};
  return {level::limited, "guard pages",
          "no MADV_GUARD_INSTALL (Linux 6.13): a guard costs two mappings of " + grouped(mappings) +
              "; fibers beyond half of them have a canary for a guard, and pthreads end near " + grouped(mappings / 2),
          "Linux 6.13, or a larger vm.max_map_count"};
}

// What a redirected site needs: text of a file's private mapping, made writable and executable again.
finding text() {
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {level::limited, "text patching", std::string("not tried: /proc/self/exe: ") + std::strerror(errno), ""};
  void* at = mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  close(fd);
  bool able = at != MAP_FAILED && mprotect(at, page, PROT_READ | PROT_WRITE) == 0;
  int error = errno;
  if (able) {
    *static_cast<volatile char*>(at) = *static_cast<volatile char*>(at);
    able = mprotect(at, page, PROT_READ | PROT_EXEC) == 0;
    error = errno;
  }
  if (at != MAP_FAILED) munmap(at, page);
  if (able) return {level::ok, "text patching", "system call sites of loaded libraries can be redirected", ""};
  return {
      level::missing, "text patching",
      std::string("refused (") + std::strerror(error) +
          "): libc's functions are interposed instead, what libc calls inside itself blocks, and pthreads stay threads of the kernel",
      "let the program's domain execute modified pages (SELinux: execmod), or no PR_SET_MDWE"};
}

finding uring() {
  io_uring_params p{};
  const long fd = syscall(SYS_io_uring_setup, 4, &p);
  if (fd >= 0) {
    close(static_cast<int>(fd));
    return {level::ok, "io_uring", "calls on disk files wait in the kernel's ring", ""};
  }
  const int error = errno;
  const unsigned long long disabled = number_in("/proc/sys/kernel/io_uring_disabled", 0);
  std::string why = std::strerror(error), advice;
  if (disabled != 0) {
    why = "kernel.io_uring_disabled=" + std::to_string(disabled);
    advice = "sysctl kernel.io_uring_disabled=0, if the machine's owner wants it";
  } else if (error == EPERM || error == EACCES) {
    advice = "a container's seccomp profile that allows io_uring";
  }
  return {level::limited, "io_uring", "not available (" + why + "): calls on disk files wait in threads of Weft's instead", advice};
}

finding pollers() {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0)
    return {level::limited, "epoll",
            std::string("not available (") + std::strerror(errno) + "): hubs wait by select, slower with many descriptors", ""};
  epoll_event got;
  const timespec none{};
  const long n = syscall(SYS_epoll_pwait2, set, &got, 1, &none, nullptr, 0ul);
  close(set);
  if (n == 0) return {level::ok, "epoll", "with timeouts in nanoseconds (epoll_pwait2)", ""};
  return {level::limited, "epoll", "without epoll_pwait2 (Linux 5.11): timeouts end on whole milliseconds", ""};
}

finding nowait() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {level::limited, "RWF_NOWAIT", std::string("not tried: ") + std::strerror(errno), ""};
  char byte;
  iovec v{&byte, 1};
  const ssize_t n = preadv2(ends[0], &v, 1, -1, RWF_NOWAIT);
  const bool able = n < 0 && errno == EAGAIN;
  close(ends[0]);
  close(ends[1]);
  if (able) return {level::ok, "RWF_NOWAIT", "a read or write is tried before it is waited for, whatever flags the descriptor has", ""};
  return {level::limited, "RWF_NOWAIT", "not for pipes here (Linux 5.9 has it): their readiness is asked for first, a system call more",
          ""};
}

finding filter() {
  const int mode = prctl(PR_GET_SECCOMP);
  if (mode <= 0) return {level::ok, "seccomp", "no filter on this session", ""};
  return {
      level::limited, "seccomp",
      "a filter is in force here (a container's): calls that it forbids fail for Weft as for everybody, and a program that installs "
      "one of its own runs natively",
      ""};
}

finding tracing() {
  const unsigned long long scope = number_in("/proc/sys/kernel/yama/ptrace_scope", 0);
  if (scope == 0 || geteuid() == 0) {
    if (scope < 3) return {level::ok, "ptrace", "`weft ps`, `weft bt` and gdb may look into programs of this user", ""};
  }
  return {level::limited, "ptrace",
          "kernel.yama.ptrace_scope=" + std::to_string(scope) +
              (scope >= 3 ? ": nobody may look into a running program" : ": only root may look into programs that run already"),
          scope >= 3 ? "it cannot be lowered before the next boot" : "sudo weft ps PID, or sysctl kernel.yama.ptrace_scope=0"};
}

finding cache() {
  const char* told = std::getenv("WEFT_CACHE");
  if (told != nullptr && std::strcmp(told, "off") == 0)
    return {level::limited, "site cache", "WEFT_CACHE=off: each start searches the libraries anew", "unset it"};
  if (patch::cache_folder(true).usable()) return {level::ok, "site cache", "what was found in a library is kept from run to run", ""};
  return {level::limited, "site cache", "no folder that belongs to this user alone: each start searches the libraries anew",
          "WEFT_CACHE=/a/folder/of/yours, writable by nobody else"};
}

}  // namespace

std::vector<finding> kernel_findings() {
  return {versions(), fsgsbase(), text(), guards(number_in("/proc/sys/vm/max_map_count", 65530)), uring(), pollers(), nowait(),
          filter(),   tracing(),  cache()};
}

}  // namespace weft::doctor
