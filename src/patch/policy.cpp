#include "patch/policy.hpp"

#include <dlfcn.h>

#include <string_view>

#include "patch/dispatch.hpp"

namespace weft::patch {
namespace {

struct excluded {
  std::string_view prefix;
  const char* why;
};

constexpr excluded names[] = {
    {"ld-linux", "the loader: its calls must never wait for a fiber"},
    {"ld-2.", "the loader: its calls must never wait for a fiber"},
    {"linux-vdso", "the kernel's own page"},
    {"linux-gate", "the kernel's own page"},
    {"libweft", "Weft itself"},
    {"libasan", "a sanitizer's run-time"},
    {"libhwasan", "a sanitizer's run-time"},
    {"libtsan", "a sanitizer's run-time"},
    {"libubsan", "a sanitizer's run-time"},
    {"liblsan", "a sanitizer's run-time"},
    {"libclang_rt", "a sanitizer's run-time"},
    {"vgpreload", "Valgrind's own"},
};

// clang links its sanitizers into the program; the symbol tells which object that is.
bool holds_symbol(const elf_image& image, const char* symbol) {
  void* at = dlsym(RTLD_DEFAULT, symbol);
  Dl_info info;
  return at != nullptr && dladdr(at, &info) != 0 && image.holds(reinterpret_cast<std::uintptr_t>(at));
}

}  // namespace

const char* never_patched(const elf_image& image) {
  if (image.go) return "made by Go: its stacks have no room for a handler";
  if (image.text_relocations) return "text relocations: the loader writes into its text";
  const std::string name = image.name();
  for (const excluded& e : names)
    if (name.starts_with(e.prefix)) return e.why;
  if (image.holds(reinterpret_cast<std::uintptr_t>(&weft_patch_entry))) return "Weft itself";
  for (const char* symbol : {"__asan_init", "__tsan_init", "__hwasan_init", "__msan_init"})
    if (holds_symbol(image, symbol)) return "a sanitizer's run-time";
  return nullptr;
}

}  // namespace weft::patch
