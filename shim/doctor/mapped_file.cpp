#include "mapped_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <link.h>

namespace weft::doctor {
namespace {

constexpr std::uintptr_t page = 4096;
constexpr std::uint64_t largest = std::uint64_t{1} << 36;  // no program is larger; a file that says so is broken

bool read_at(int fd, std::uint64_t at, void* into, std::size_t bytes) {
  return pread(fd, into, bytes, static_cast<off_t>(at)) == static_cast<ssize_t>(bytes);
}

}  // namespace

mapped_file::mapped_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    error_ = std::strerror(errno);
    return;
  }
  if (lay_out(fd)) {
    image_.path = path;
    read_dynamic();
  } else if (error_.empty()) {
    error_ = "not a whole ELF file";
  }
  close(fd);
}

mapped_file::~mapped_file() {
  if (base_ != nullptr) munmap(base_, size_);
}

bool mapped_file::lay_out(int fd) {
  ElfW(Ehdr) head;
  struct stat st;
  if (fstat(fd, &st) != 0 || !read_at(fd, 0, &head, sizeof head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return false;
  if (head.e_phentsize != sizeof(ElfW(Phdr)) || head.e_phnum > 1024) return false;
  std::vector<ElfW(Phdr)> parts(head.e_phnum);
  if (!read_at(fd, head.e_phoff, parts.data(), parts.size() * sizeof parts[0])) return false;
  std::uint64_t lowest = ~std::uint64_t{0}, highest = 0;
  for (const ElfW(Phdr) & p : parts) {
    if (p.p_type != PT_LOAD) continue;
    if (p.p_vaddr + p.p_memsz < p.p_vaddr || p.p_offset + p.p_filesz < p.p_offset || p.p_filesz > p.p_memsz) return false;
    lowest = std::min<std::uint64_t>(lowest, p.p_vaddr & ~(page - 1));
    highest = std::max<std::uint64_t>(highest, (p.p_vaddr + p.p_memsz + page - 1) & ~(page - 1));
  }
  if (lowest >= highest || highest - lowest > largest) return false;
  size_ = highest - lowest;
  void* at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    error_ = std::strerror(errno);
    return false;
  }
  base_ = static_cast<char*>(at);
  // Read, not mapped: a file that shrinks meanwhile gives an error here, not a fault later.
  for (const ElfW(Phdr) & p : parts)
    if (p.p_type == PT_LOAD && p.p_filesz > 0 && !read_at(fd, p.p_offset, base_ + (p.p_vaddr - lowest), p.p_filesz)) return false;
  const std::uintptr_t bias = reinterpret_cast<std::uintptr_t>(base_) - lowest;
  const auto within = [&](const ElfW(Phdr) & p) { return p.p_vaddr >= lowest && p.p_vaddr + p.p_memsz <= highest; };
  std::erase_if(parts, [&](const ElfW(Phdr) & p) { return !within(p); });
  image_ = patch::describe_image("", bias, parts.data(), static_cast<int>(parts.size()));
  for (const ElfW(Phdr) & p : parts)
    if (p.p_type == PT_DYNAMIC) dynamic_ = bias + p.p_vaddr;
  return true;
}

// All addresses in the file are its own, checked against what was laid out.
void mapped_file::read_dynamic() {
  if (dynamic_ == 0) return;
  const char* const end = base_ + size_;
  const auto place = [&](ElfW(Addr) address, std::size_t bytes) -> const char* {
    const char* at = reinterpret_cast<const char*>(image_.base + address);
    return at >= base_ && at <= end && bytes <= static_cast<std::size_t>(end - at) ? at : nullptr;
  };
  ElfW(Addr) strings = 0, symbols = 0;
  std::size_t string_bytes = 0;
  for (const auto* d = reinterpret_cast<const ElfW(Dyn)*>(dynamic_); reinterpret_cast<const char*>(d + 1) <= end && d->d_tag != DT_NULL;
       ++d) {
    if (d->d_tag == DT_STRTAB) strings = d->d_un.d_ptr;
    if (d->d_tag == DT_STRSZ) string_bytes = d->d_un.d_val;
    if (d->d_tag == DT_SYMTAB) symbols = d->d_un.d_ptr;
  }
  const char* names = place(strings, string_bytes);
  const char* first = place(symbols, 0);
  if (names == nullptr || first == nullptr || string_bytes == 0 || names[string_bytes - 1] != 0) return;
  // Every linker puts the strings behind the symbols; the hash tables, which have the number of them, come in three forms.
  const char* last = names > first ? names : end;
  for (const auto* s = reinterpret_cast<const ElfW(Sym)*>(first); reinterpret_cast<const char*>(s + 1) <= last; ++s)
    if (s->st_shndx == SHN_UNDEF && s->st_name != 0 && s->st_name < string_bytes) imports_.emplace_back(names + s->st_name);
}

bool mapped_file::needs(std::string_view name) const noexcept {
  return std::find(imports_.begin(), imports_.end(), name) != imports_.end();
}

}  // namespace weft::doctor
