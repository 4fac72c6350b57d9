// Where patching is impossible: a named error, and a process that goes on as if nobody had asked.
#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "child.hpp"
#include "patch/patch.hpp"

using namespace weft::patch;

namespace {

result try_to_patch() {
  options o;
  o.wanted = [](long) { return true; };
  return patch_all_objects(o);
}

// Refuses mprotect with exactly `rights`, as a hardening policy does.
void forbid_mprotect(unsigned rights) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rights, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof code / sizeof *code, code};
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

bool nothing_changed() {
  if (active()) return false;
  for (const object_report& o : report())
    if (o.patched != 0) return false;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(" rwx") != std::string::npos) return false;
  return getppid() > 0;
}

}  // namespace

TEST_CASE("text that cannot be written is a named error and nothing is half patched") {
  const auto r = weft_test::run_self("helper: writable code is forbidden");
  CHECK_MESSAGE(r.exit_code == 0, r.out);
}

TEST_CASE("helper: writable code is forbidden" * doctest::skip()) {
  forbid_mprotect(PROT_READ | PROT_WRITE | PROT_EXEC);
  const result r = try_to_patch();
  CHECK(r.code == error::text_not_writable);
  CHECK(r.text.find("libc.so") != std::string::npos);
  CHECK(r.patched == 0);
  CHECK(r.newly_patched == 0);
  CHECK(nothing_changed());
}

TEST_CASE("new code that may not become executable is a named error") {
  const auto r = weft_test::run_self("helper: new code is forbidden");
  CHECK_MESSAGE(r.exit_code == 0, r.out);
}

TEST_CASE("helper: new code is forbidden" * doctest::skip()) {
  forbid_mprotect(PROT_READ | PROT_EXEC);
  const result r = try_to_patch();
  CHECK(r.code == error::no_near_memory);
  CHECK(r.patched == 0);
  CHECK(nothing_changed());
}

TEST_CASE("a machine without the decoder gets an error that names the package") {
  // An empty file stands in front of the real library.
  char folder[] = "/tmp/weft-patch-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string file = std::string(folder) + "/libZydis.so.4.0";
  std::ofstream(file).put('x');
  const auto r = weft_test::run_self("helper: the decoder cannot be loaded", {std::string("LD_LIBRARY_PATH=") + folder, "WEFT_CACHE=off"});
  CHECK_MESSAGE(r.exit_code == 0, r.out);
  std::remove(file.c_str());
  rmdir(folder);
}

TEST_CASE("helper: the decoder cannot be loaded" * doctest::skip()) {
  const result r = try_to_patch();
  CHECK(r.code == error::no_decoder);
  CHECK(r.text.find("libzydis") != std::string::npos);
  CHECK(nothing_changed());
}

TEST_CASE("where nothing is refused the same call succeeds") {
  const result r = try_to_patch();
  CHECK_MESSAGE(r.code == error::none, r.text);
  CHECK(r.patched > 300);
}
