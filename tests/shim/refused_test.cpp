// Under a seccomp filter that refuses what Weft asks of the kernel: each call has a replacement, or the program hears of it once.
#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <string>

#include <weft/weft.hpp>

#include "child.hpp"

using namespace std::chrono_literals;

namespace {

// Refuses system call `nr`, when its third argument is `third` if that is given.
void refuse(unsigned nr, int error, unsigned third = ~0u) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, third, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, third == ~0u ? 0u : third, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  if (third == ~0u) code[2] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
  const sock_fprog program{sizeof code / sizeof *code, code};
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

// Two fibers that talk through a pipe by libc's calls, and sleep.
bool fibers_work() {
  int ends[2];
  if (pipe(ends) != 0 || weft::patch_all().sites_patched == 0) return false;
  char byte = 0;
  auto reader = weft::spawn([&] { return ::read(ends[0], &byte, 1); });
  auto writer = weft::spawn([&] {
    ::usleep(2000);
    return ::write(ends[1], "x", 1);
  });
  return reader.get() == 1 && writer.get() == 1 && byte == 'x' && weft::this_hub().stats().parks >= 2;
}

void works_without(unsigned nr) {
  for (const int error : {EPERM, ENOSYS}) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      alarm(10);
      refuse(nr, error);
      bool fine = false;
      try {
        fine = fibers_work();
      } catch (const std::exception& e) {
        (void)!write(2, e.what(), std::string(e.what()).size());
      }
      _exit(fine ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_MESSAGE(status == 0, nr, " refused with ", error);
  }
}

}  // namespace

TEST_CASE("fibers work where epoll_pwait2 is refused") { works_without(SYS_epoll_pwait2); }
TEST_CASE("fibers work where epoll is refused") { works_without(SYS_epoll_create1); }
TEST_CASE("fibers work where io_uring is refused") { works_without(SYS_io_uring_setup); }
TEST_CASE("fibers work where process_vm_readv is refused") { works_without(SYS_process_vm_readv); }
TEST_CASE("fibers work where madvise is refused") { works_without(SYS_madvise); }

TEST_CASE("helper: a program under the shim whose text may not be written" * doctest::skip()) {
  refuse(SYS_mprotect, EACCES, PROT_READ | PROT_WRITE | PROT_EXEC);
  setenv("LD_PRELOAD", std::getenv("WEFT_SHIM"), 1);
  execl("/bin/sh", "sh", "-c", "echo still here; exit 3", static_cast<char*>(nullptr));
}

TEST_CASE("where text may not be written the shim takes the other door, says so in one line, and the program runs") {
  const auto r = weft_test::run_self("helper: a program under the shim whose text may not be written", {"WEFT_DEBUG", "WEFT_DOOR"});
  CHECK(r.exit_code == 3);
  CHECK(r.out.find("still here\n") != std::string::npos);
  CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
  CHECK_MESSAGE(r.err.find("interposed instead") != std::string::npos, r.err);
}
