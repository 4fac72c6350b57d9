#include "patch/resolver_slots.hpp"

#include <dlfcn.h>
#include <link.h>
#include <netdb.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/socket.h>

#include "dns/getaddrinfo.hpp"
#include "dns/gethostby.hpp"
#include "dns/getnameinfo.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::patch {

using dns::weft_dns_getaddrinfo;
using dns::weft_dns_getnameinfo;

namespace {

// IPv4, whatever RES_USE_INET6 once said.
int by_name_r(const char* name, hostent* entry, char* buffer, size_t size, hostent** result, int* error) {
  return weft_dns_gethostbyname2_r(name, AF_INET, entry, buffer, size, result, error);
}
hostent* by_name(const char* name) { return weft_dns_gethostbyname2(name, AF_INET); }

struct function {
  const char* name;
  void* ours;
  void* of_libc;  // null: not to be redirected
};
function functions[] = {
    {"getaddrinfo", reinterpret_cast<void*>(weft_dns_getaddrinfo), nullptr},
    {"getnameinfo", reinterpret_cast<void*>(weft_dns_getnameinfo), nullptr},
    {"gethostbyname", reinterpret_cast<void*>(by_name), nullptr},
    {"gethostbyname_r", reinterpret_cast<void*>(by_name_r), nullptr},
    {"gethostbyname2", reinterpret_cast<void*>(weft_dns_gethostbyname2), nullptr},
    {"gethostbyname2_r", reinterpret_cast<void*>(weft_dns_gethostbyname2_r), nullptr},
    {"gethostbyaddr", reinterpret_cast<void*>(weft_dns_gethostbyaddr), nullptr},
    {"gethostbyaddr_r", reinterpret_cast<void*>(weft_dns_gethostbyaddr_r), nullptr},
};

// Those that every program would find in libc.
bool look_up_functions() {
  void* libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (libc == nullptr) return false;
  bool any = false;
  for (function& f : functions) {
    void* there = dlsym(libc, f.name);
    f.of_libc = there != nullptr && dlsym(RTLD_DEFAULT, f.name) == there ? there : nullptr;
    any = any || f.of_libc != nullptr;
  }
  dlclose(libc);
  return any;
}

const function* wanted(std::string_view name) {
  for (const function& f : functions)
    if (f.of_libc != nullptr && name == f.name) return &f;
  return nullptr;
}

// Whose own calls must stay: libc's (its resolver calls itself), the loader's, Weft's and that of the resolver below Weft's.
bool left_alone(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view prefix : {"libc.so", "libc-", "ld-linux", "linux-vdso", "libweft", "libcares", "libnss_", "libresolv"})
    if (name.starts_with(prefix)) return true;
  return false;
}

struct tables {
  const ElfW(Sym)* symbols = nullptr;
  const char* strings = nullptr;
  const ElfW(Rela)* relocations[2] = {};
  std::size_t sizes[2] = {};
};

// The loader has turned these addresses into absolute ones, except in objects that it cannot write to.
std::uintptr_t absolute(ElfW(Addr) value, std::uintptr_t base) { return value < base ? base + value : value; }

tables read_dynamic(const ElfW(Dyn)* d, std::uintptr_t base) {
  tables t;
  for (; d->d_tag != DT_NULL; ++d) {
    const std::uintptr_t at = absolute(d->d_un.d_ptr, base);
    switch (d->d_tag) {
      case DT_SYMTAB: t.symbols = reinterpret_cast<const ElfW(Sym)*>(at); break;
      case DT_STRTAB: t.strings = reinterpret_cast<const char*>(at); break;
      case DT_RELA: t.relocations[0] = reinterpret_cast<const ElfW(Rela)*>(at); break;
      case DT_RELASZ: t.sizes[0] = d->d_un.d_val; break;
      case DT_JMPREL: t.relocations[1] = reinterpret_cast<const ElfW(Rela)*>(at); break;
      case DT_PLTRELSZ: t.sizes[1] = d->d_un.d_val; break;
      default: break;
    }
  }
  return t;
}

// False when the page cannot be written.
bool write_slot(void** slot, void* value, bool read_only) {
  auto* page = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(slot) & ~(sys::page_size - 1));
  if (read_only && sys::raw(SYS_mprotect, page, sys::page_size, PROT_READ | PROT_WRITE) != 0) return false;
  __atomic_store_n(slot, value, __ATOMIC_RELEASE);
  if (read_only) sys::raw(SYS_mprotect, page, sys::page_size, PROT_READ);
  return true;
}

int redirect(const dl_phdr_info& object) {
  const ElfW(Phdr)*dynamic = nullptr, *relro = nullptr;
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type == PT_DYNAMIC) dynamic = &object.dlpi_phdr[i];
    if (object.dlpi_phdr[i].p_type == PT_GNU_RELRO) relro = &object.dlpi_phdr[i];
  }
  if (dynamic == nullptr) return 0;
  const std::uintptr_t base = object.dlpi_addr;
  const tables t = read_dynamic(reinterpret_cast<const ElfW(Dyn)*>(base + dynamic->p_vaddr), base);
  if (t.symbols == nullptr || t.strings == nullptr) return 0;
  int written = 0;
  for (int k = 0; k < 2; ++k)
    for (std::size_t i = 0; t.relocations[k] != nullptr && i < t.sizes[k] / sizeof(ElfW(Rela)); ++i) {
      const ElfW(Rela)& r = t.relocations[k][i];
      const auto type = ELF64_R_TYPE(r.r_info);
      if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64) continue;
      const function* f = wanted(t.strings + t.symbols[ELF64_R_SYM(r.r_info)].st_name);
      auto** slot = reinterpret_cast<void**>(base + r.r_offset);
      // Anything else than libc's function, or a slot that was not bound yet, is the program's own doing.
      if (f == nullptr || *slot == f->ours || (type != R_X86_64_JUMP_SLOT && *slot != f->of_libc)) continue;
      const bool read_only = relro != nullptr && r.r_offset >= relro->p_vaddr && r.r_offset < relro->p_vaddr + relro->p_memsz;
      written += write_slot(slot, f->ours, read_only);
    }
  return written;
}

}  // namespace

int redirect_resolver() {
  if (!look_up_functions()) return 0;
  int written = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* count) {
        if (!left_alone(object->dlpi_name)) *static_cast<int*>(count) += redirect(*object);
        return 0;
      },
      &written);
  return written;
}

}  // namespace weft::patch
