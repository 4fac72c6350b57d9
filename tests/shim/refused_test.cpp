// Under a seccomp filter that refuses what Weft asks of the kernel: each call has a replacement, or the program hears of it once.
#include <doctest/doctest.h>
#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/auxv.h>
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

// Refuses system call `nr`; with `value` only when that is its argument number `which`.
void refuse(unsigned nr, int error, unsigned value = ~0u, unsigned which = 2) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offsetof(seccomp_data, args) + which * sizeof(__u64))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  if (value == ~0u) code[2] = code[3] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
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
      alarm(50);
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

TEST_CASE("helper: fibers" * doctest::skip()) { CHECK(fibers_work()); }

TEST_CASE("helper: a program whose GS base the kernel does not set" * doctest::skip()) {
  refuse(SYS_arch_prctl, EINVAL, ARCH_SET_GS, 0);
  if (std::getenv("WEFT_TEST_SHELL") == nullptr)
    execl("/proc/self/exe", "refused", "--no-skip", "--test-case=helper: fibers", static_cast<char*>(nullptr));
  setenv("LD_PRELOAD", std::getenv("WEFT_SHIM"), 1);
  execl("/bin/sh", "sh", "-c", "exit 3", static_cast<char*>(nullptr));
}

TEST_CASE("where arch_prctl is refused the instruction serves, and without it Weft stays out with one line") {
  const char* helper = "helper: a program whose GS base the kernel does not set";
  if ((getauxval(AT_HWCAP2) & 2) != 0) CHECK(weft_test::run_self(helper, {"WEFT_WITHOUT"}).exit_code == 0);
  const auto r = weft_test::run_self(helper, {"WEFT_WITHOUT=fsgsbase", "WEFT_TEST_SHELL=1", "WEFT_DEBUG"});
  CHECK(r.exit_code == 3);
  CHECK(r.err == "weft: this system lets no program set its GS base (arch_prctl is refused): Weft stays out\n");
}
