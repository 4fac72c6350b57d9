// libweft-shim.so: what LD_PRELOAD brings into a program that does not know Weft. All of it is in libweft.so; this object only calls
// it at start, and holds the interposed symbols (functions.def, netdb.cpp).
//
// A program that makes no fibers runs as without: the rewritten sites pass every call through.
#include <cstdio>
#include <cstdlib>
#include <asm/prctl.h>
#include <cerrno>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "green/mode.hpp"
#include "patch/symbols.hpp"
#include "next.hpp"
#include "settings.hpp"
#include "weft/patch.hpp"
#include "wrappers.hpp"

namespace weft::shim {
int wrapped_functions() noexcept;  // wrappers.cpp
}

namespace {

bool started = false;

// After libweft.so's own constructors (it is a dependency) and before main; threads that exist already are stopped for the while.
[[gnu::constructor]] void patch_at_start() {
  if (started) return;
  started = true;
  weft::patch::weft_symbols_offer(weft::shim::wrapped_functions());
  // A program with more rights than its caller takes no orders from the environment.
  if (getauxval(AT_SECURE) != 0) return;
  const char* off = std::getenv("WEFT_OFF");
  if (off != nullptr && *off != 0) return;
  weft::shim::set_thread_stacks();
  weft::green::expect();
  const weft::patch_result door = weft::patch_all();
  const bool green = weft::green::prepare();
  const char* strict = std::getenv("WEFT_STRICT");  // `weft run --strict`
  if (strict != nullptr && *strict != 0) {
    if (door.sites_patched == 0 && door.symbols == 0) {
      std::fprintf(stderr, "weft: no call could be redirected, and --strict was asked for\n");
      _exit(126);
    }
    if (!green) _exit(126);
  }
  weft::shim::hide_from_children();
}

// libweft.so's first constructor points the GS base of the thread somewhere.
bool library_is_ready() {
  unsigned long base = 0;
  return syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0 && base != 0;
}

}  // namespace

namespace weft::shim {

using thread_body = void* (*)(void*);
int call_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, thread_body body, void* argument)
    WEFT_SYMBOL(pthread_create);

// Constructors of other libraries may run before this object's and make threads: what is to be done before the first one is done now.
int call_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, thread_body body, void* argument) {
  static next_function next{"pthread_create"};
  if (!started && library_is_ready()) patch_at_start();
  using function = int (*)(pthread_t*, const pthread_attr_t*, thread_body, void*);
  const auto create = reinterpret_cast<function>(next.get());
  return create != nullptr ? create(thread, attributes, body, argument) : EAGAIN;
}

}  // namespace weft::shim
