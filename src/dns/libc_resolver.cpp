#include "dns/libc_resolver.hpp"

#include <dlfcn.h>

#include <atomic>

namespace weft::dns {

int libc_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  using function = decltype(&::getaddrinfo);
  static std::atomic<function> found{nullptr};
  function f = found.load(std::memory_order_relaxed);
  if (f == nullptr) {
    // By the library's name: with the shim preloaded, libweft.so stands behind libc, where RTLD_NEXT finds nothing.
    void* libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (libc != nullptr) f = reinterpret_cast<function>(dlsym(libc, "getaddrinfo"));
    if (f == nullptr) return EAI_FAIL;
    found.store(f, std::memory_order_relaxed);
  }
  return f(node, service, hints, result);
}

}  // namespace weft::dns
