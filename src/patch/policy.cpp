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

}  // namespace

// clang links its sanitizers into the program; the symbol tells which object that is. A name that nobody has costs the loader a look at
// all objects: the names are asked for once, not once an object.
bool patch_policy::is_sanitizer(const elf_image& image) {
  if (!asked_) {
    asked_ = true;
    for (const char* symbol : {"__asan_init", "__tsan_init", "__hwasan_init", "__msan_init"}) {
      void* at = dlsym(RTLD_DEFAULT, symbol);
      Dl_info info;
      if (at != nullptr && dladdr(at, &info) != 0) sanitizers_.push_back(reinterpret_cast<std::uintptr_t>(at));
    }
  }
  for (const std::uintptr_t at : sanitizers_)
    if (image.holds(at)) return true;
  return false;
}

const char* patch_policy::never_patched(const elf_image& image) {
  if (image.go) return "made by Go: its stacks have no room for a handler";
  if (image.text_relocations) return "text relocations: the loader writes into its text";
  const std::string name = image.name();
  for (const excluded& e : names)
    if (name.starts_with(e.prefix)) return e.why;
  if (image.holds(reinterpret_cast<std::uintptr_t>(&weft_patch_entry))) return "Weft itself";
  if (is_sanitizer(image)) return "a sanitizer's run-time";
  return nullptr;
}

}  // namespace weft::patch
