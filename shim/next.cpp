#include "next.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace weft::shim {

void* next_function::find() noexcept {
  void* at = dlsym(RTLD_NEXT, name_);
  if (at == nullptr) {
    // Linked instead of preloaded, this object may stand behind libc.
    void* libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (libc != nullptr) at = dlsym(libc, name_);
  }
  if (at == nullptr) {
    // The program has called a function that its libc does not have: it would not have started without this object.
    std::fprintf(stderr, "weft: libc has no %s\n", name_);
    std::abort();
  }
  __atomic_store_n(&at_, at, __ATOMIC_RELAXED);
  return at;
}

}  // namespace weft::shim
