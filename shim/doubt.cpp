#include "doubt.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace weft::command {
namespace {

constexpr std::string_view loader = "ld-linux-x86-64.so.2";

// A file in memory, read-only.
class file_view {
public:
  explicit file_view(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
      void* at = mmap(nullptr, static_cast<std::size_t>(st.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (at != MAP_FAILED) bytes_ = {static_cast<const char*>(at), static_cast<std::size_t>(st.st_size)};
    }
    close(fd);
  }
  ~file_view() {
    if (!bytes_.empty()) munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  file_view(const file_view&) = delete;

  std::string_view bytes() const { return bytes_; }
  // `size` bytes at `at`; shorter where the file ends.
  std::string_view part(std::uint64_t at, std::uint64_t size) const {
    return at < bytes_.size() ? bytes_.substr(at, size) : std::string_view();
  }
  template <class T>
  bool read(std::uint64_t at, T& into) const {
    const std::string_view b = part(at, sizeof into);
    if (b.size() != sizeof into) return false;
    std::memcpy(&into, b.data(), sizeof into);
    return true;
  }

private:
  std::string_view bytes_;
};

bool gains_rights(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return false;
  const bool user = (st.st_mode & S_ISUID) != 0 && st.st_uid != getuid();
  const bool group = (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid();
  const bool capable = getuid() != 0 && getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
  return user || group || capable;
}

bool has_go_note(std::string_view notes) {
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr n;
    std::memcpy(&n, notes.data(), sizeof n);
    const std::size_t whole = sizeof n + ((n.n_namesz + 3u) & ~std::size_t{3}) + ((n.n_descsz + 3u) & ~std::size_t{3});
    if (n.n_namesz == 4 && notes.substr(sizeof n, 3) == std::string_view("Go\0", 3)) return true;
    if (whole > notes.size()) return false;
    notes.remove_prefix(whole);
  }
  return false;
}

// The names of needed libraries and of symbols, one after the other.
std::string_view dynamic_names(const file_view& f, const Elf64_Ehdr& head) {
  std::uint64_t address = 0, size = 0, offset = 0;
  const auto header = [&](unsigned k, Elf64_Phdr& p) { return f.read(head.e_phoff + k * std::uint64_t{head.e_phentsize}, p); };
  Elf64_Phdr p;
  for (unsigned k = 0; k < head.e_phnum && header(k, p); ++k) {
    if (p.p_type != PT_DYNAMIC) continue;
    Elf64_Dyn d;
    for (std::uint64_t at = 0; at < p.p_filesz && f.read(p.p_offset + at, d) && d.d_tag != DT_NULL; at += sizeof d) {
      if (d.d_tag == DT_STRTAB) address = d.d_un.d_ptr;
      if (d.d_tag == DT_STRSZ) size = d.d_un.d_val;
    }
  }
  for (unsigned k = 0; k < head.e_phnum && header(k, p); ++k)
    if (p.p_type == PT_LOAD && address >= p.p_vaddr && address < p.p_vaddr + p.p_filesz) offset = p.p_offset + (address - p.p_vaddr);
  return offset != 0 ? f.part(offset, size) : std::string_view();
}

// A sanitizer's run-time wants to be the first library, or is linked into the program.
bool sanitized(std::string_view names) {
  for (const std::string_view name : {"libasan.so", "libtsan.so", "libhwasan.so", "__asan_init", "__tsan_init", "__msan_init"})
    if (names.find(name) != std::string_view::npos) return true;
  return false;
}

std::string judge_elf(const file_view& f) {
  Elf64_Ehdr head;
  if (!f.read(0, head) || head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != EM_X86_64) return "not an x86-64 program";
  std::string_view interpreter;
  bool go = false;
  for (unsigned k = 0; k < head.e_phnum; ++k) {
    Elf64_Phdr p;
    if (!f.read(head.e_phoff + k * std::uint64_t{head.e_phentsize}, p)) break;
    if (p.p_type == PT_INTERP) interpreter = f.part(p.p_offset, p.p_filesz);
    if (p.p_type == PT_NOTE) go = go || has_go_note(f.part(p.p_offset, p.p_filesz));
  }
  interpreter = interpreter.substr(0, interpreter.find('\0'));
  if (go) return "a Go program, which makes its threads and system calls past libc";
  if (interpreter.empty()) return "statically linked, so that nothing can be preloaded";
  if (interpreter.substr(interpreter.rfind('/') + 1) != loader)
    return "linked with another libc (its loader is " + std::string(interpreter) + ")";
  if (sanitized(dynamic_names(f, head))) return "built with a sanitizer, whose run-time must come first";
  return {};
}

}  // namespace

std::string head_of(const std::string& path) {
  char head[256];
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return {};
  const ssize_t n = read(fd, head, sizeof head);
  close(fd);
  return {head, n > 0 ? static_cast<std::size_t>(n) : 0};
}

std::string_view interpreter_line(std::string_view file) {
  if (!file.starts_with("#!")) return {};
  std::string_view line = file.substr(2, file.find('\n') - 2);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line;
}

std::string reason_to_run_natively(const std::string& path) {
  std::string program = path;
  for (int depth = 0; depth < 5; ++depth) {
    const file_view f(program);
    if (f.bytes().empty()) return {};
    const std::string in_script = depth == 0 ? "" : "(its interpreter " + program + ") ";
    if (f.bytes().starts_with("#!")) {
      // Set-user-ID means nothing on a script (execve(2)).
      const std::string_view line = interpreter_line(f.bytes());
      program = line.substr(0, line.find_first_of(" \t\r"));
      continue;
    }
    if (!f.bytes().starts_with(std::string_view(ELFMAG, SELFMAG))) return {};  // the kernel's or a binfmt's business
    if (gains_rights(program))
      return in_script + "runs with more rights than its caller (set-user-ID), and the loader preloads nothing then";
    const std::string why = judge_elf(f);
    return why.empty() ? why : in_script + why;
  }
  return {};
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";
  for (;;) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    const std::string candidate = (folder.empty() ? "." : std::string(folder)) + "/" + name;
    struct stat st;
    if (stat(candidate.c_str(), &st) == 0 && S_ISREG(st.st_mode) && access(candidate.c_str(), X_OK) == 0) return candidate;
    if (folder.size() == rest.size()) return {};
    rest.remove_prefix(folder.size() + 1);
  }
}

}  // namespace weft::command
