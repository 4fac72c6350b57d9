#include "sys/clock.hpp"

#include <elf.h>

#include "sys/auxv.hpp"
#include "sys/syscall.hpp"

namespace weft::sys {
namespace {

using gettime_fn = int (*)(int, timespec*);

int gettime_by_syscall(int clock, timespec* out) { return static_cast<int>(raw(SYS_clock_gettime, clock, out)); }

bool equal(const char* a, const char* b) noexcept {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

// The vDSO is an ELF image like any other; its dynamic symbol table names __vdso_clock_gettime (vdso(7)).
gettime_fn find_in_vdso() noexcept {
  const std::uint64_t image = auxv(AT_SYSINFO_EHDR);
  if (image == 0) return gettime_by_syscall;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image);
  const auto* phdr = reinterpret_cast<const Elf64_Phdr*>(image + header->e_phoff);
  const Elf64_Dyn* dynamic = nullptr;
  std::uint64_t bias = 0;
  bool have_bias = false;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (phdr[i].p_type == PT_LOAD && !have_bias) {
      bias = image + phdr[i].p_offset - phdr[i].p_vaddr;
      have_bias = true;
    }
    if (phdr[i].p_type == PT_DYNAMIC) dynamic = reinterpret_cast<const Elf64_Dyn*>(image + phdr[i].p_offset);
  }
  const char* strings = nullptr;
  const Elf64_Sym* symbols = nullptr;
  if (dynamic == nullptr) return gettime_by_syscall;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    if (dynamic->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(bias + dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const Elf64_Sym*>(bias + dynamic->d_un.d_ptr);
  }
  if (strings == nullptr || symbols == nullptr) return gettime_by_syscall;
  // The string table follows the symbol table in every vDSO the kernel has linked, which bounds the walk.
  const auto* end = reinterpret_cast<const Elf64_Sym*>(strings);
  for (const Elf64_Sym* s = symbols + 1; s < end; ++s)
    if (equal(strings + s->st_name, "__vdso_clock_gettime")) return reinterpret_cast<gettime_fn>(bias + s->st_value);
  return gettime_by_syscall;
}

gettime_fn gettime = nullptr;

std::uint64_t nanoseconds(const timespec& t) noexcept {
  return static_cast<std::uint64_t>(t.tv_sec) * ns_per_s + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace

std::uint64_t clock_ns(int clock) noexcept {
  gettime_fn fn = __atomic_load_n(&gettime, __ATOMIC_RELAXED);
  if (fn == nullptr) {
    fn = find_in_vdso();
    __atomic_store_n(&gettime, fn, __ATOMIC_RELAXED);
  }
  timespec now{};
  fn(clock, &now);
  return nanoseconds(now);
}

std::uint64_t monotonic_ns_by_call() noexcept {
  timespec now{};
  raw(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return nanoseconds(now);
}

std::uint64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

}  // namespace weft::sys
