// `weft run` with programs that the shim cannot reach: one line of why, and they run as without it; an error under --strict.
#include <doctest/doctest.h>
#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "child.hpp"

using weft_test::child_result;
using weft_test::run_program;

namespace {

struct folder {
  std::string path;
  folder() {
    char name[] = "/tmp/weft-doubt-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::string file = path + "/" + name;
    std::ofstream(file, std::ios::binary) << bytes;
    REQUIRE(chmod(file.c_str(), 0755) == 0);
    return file;
  }
};

child_result weft_run(std::vector<std::string> words) {
  words.insert(words.begin(), {std::getenv("WEFT_COMMAND"), "run"});
  return run_program(words, {"WEFT_CACHE=off", "WEFT_DEBUG"});
}

long lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// mov $SYS_exit, %eax; mov $7, %edi; syscall: a whole static program.
std::string static_program() {
  static constexpr unsigned char code[] = {0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05};
  Elf64_Ehdr h{};
  h.e_ident[0] = 0x7f, h.e_ident[1] = 'E', h.e_ident[2] = 'L', h.e_ident[3] = 'F';
  h.e_ident[EI_CLASS] = ELFCLASS64, h.e_ident[EI_DATA] = ELFDATA2LSB, h.e_ident[EI_VERSION] = EV_CURRENT;
  h.e_type = ET_EXEC, h.e_machine = EM_X86_64, h.e_version = EV_CURRENT;
  h.e_phoff = sizeof h, h.e_ehsize = sizeof h, h.e_phentsize = sizeof(Elf64_Phdr), h.e_phnum = 1;
  h.e_entry = 0x400000 + sizeof h + sizeof(Elf64_Phdr);
  Elf64_Phdr p{};
  p.p_type = PT_LOAD, p.p_flags = PF_R | PF_X, p.p_vaddr = p.p_paddr = 0x400000, p.p_align = 4096;
  p.p_filesz = p.p_memsz = sizeof h + sizeof p + sizeof code;
  return std::string(reinterpret_cast<const char*>(&h), sizeof h) + std::string(reinterpret_cast<const char*>(&p), sizeof p) +
         std::string(reinterpret_cast<const char*>(code), sizeof code);
}

// A copy of /bin/true whose loader is named otherwise.
std::string with_another_loader() {
  std::ifstream file("/bin/true", std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  const std::string loader = "/lib64/ld-linux-x86-64.so.2", other = "/lib64/ld-musl-x86_64.so.1";
  const std::size_t at = bytes.find(loader);
  REQUIRE(at != std::string::npos);
  bytes.replace(at, loader.size(), other + std::string(loader.size() - other.size(), '\0'));
  return bytes;
}

}  // namespace

TEST_CASE("a program that can be reached runs with the shim, and its exit status comes through") {
  const child_result r = weft_run({"-v", "--", "/bin/sh", "-c", "exit 5"});
  CHECK(r.exit_code == 5);
  CHECK(r.err.find("call sites patched") != std::string::npos);
  CHECK(weft_run({"--strict", "--", "/bin/sh", "-c", "exit 6"}).exit_code == 6);
}

TEST_CASE("a static program runs natively and says so in one line") {
  const folder f;
  const std::string program = f.write("static", static_program());
  const child_result r = weft_run({"--", program});
  CHECK(r.exit_code == 7);
  CHECK(r.err == "weft: " + program + ": statically linked, so that nothing can be preloaded: runs natively\n");
  const child_result strict = weft_run({"--strict", "--", program});
  CHECK(strict.exit_code == 126);
  CHECK(lines(strict.err) == 1);
  CHECK(strict.err.find("--strict") != std::string::npos);
}

TEST_CASE("a script is judged by its interpreter") {
  const folder f;
  const std::string program = f.write("static", static_program());
  const std::string script = f.write("script", "#! " + program + " -x\n");
  const child_result r = weft_run({"--", script});
  CHECK(r.exit_code == 7);
  CHECK(r.err.find("(its interpreter " + program + ") statically linked") != std::string::npos);
  CHECK(weft_run({"--strict", "--", f.write("sh", "#!/bin/sh\nexit 9\n")}).exit_code == 9);
}

TEST_CASE("a program for another libc, or another machine, is left to the kernel") {
  const folder f;
  const child_result musl = weft_run({"--strict", "--", f.write("musl", with_another_loader())});
  CHECK(musl.exit_code == 126);
  CHECK(musl.err.find("another libc (its loader is /lib64/ld-musl-x86_64.so.1)") != std::string::npos);
  std::string arm = static_program();
  arm[offsetof(Elf64_Ehdr, e_machine)] = static_cast<char>(EM_AARCH64);
  CHECK(weft_run({"--strict", "--", f.write("arm", arm)}).err.find("not an x86-64 program") != std::string::npos);
}

TEST_CASE("a set-user-ID program is left alone") {
  if (geteuid() != 0) return;  // only root can make one that belongs to somebody else
  const folder f;
  std::ifstream file("/bin/true", std::ios::binary);
  const std::string program = f.write("suid", std::string(std::istreambuf_iterator<char>(file), {}));
  REQUIRE(chown(program.c_str(), 12345, static_cast<gid_t>(-1)) == 0);
  REQUIRE(chmod(program.c_str(), 04755) == 0);
  const child_result r = weft_run({"--", program});
  CHECK(r.exit_code == 0);
  CHECK(lines(r.err) == 1);
  CHECK(r.err.find("set-user-ID") != std::string::npos);
}

TEST_CASE("what does not exist, or may not be run, is answered as a shell does") {
  CHECK(weft_run({"--", "/no/such/program"}).exit_code == 127);
  CHECK(weft_run({"--", "no-such-program"}).exit_code == 127);
  CHECK(weft_run({"--", "/etc/passwd"}).exit_code == 126);
}
