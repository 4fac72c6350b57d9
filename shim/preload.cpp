// libweft-shim.so: what LD_PRELOAD brings into a program that does not know Weft. All of it is in libweft.so; this object only calls
// it at start, and holds the interposed symbols (functions.def, netdb.cpp).
//
// A program that makes no fibers runs as without: the rewritten sites pass every call through.
#include <cstdio>
#include <cstdlib>
#include <sys/auxv.h>
#include <unistd.h>

#include "green/mode.hpp"
#include "patch/symbols.hpp"
#include "settings.hpp"
#include "weft/patch.hpp"

namespace weft::shim {
int wrapped_functions() noexcept;  // wrappers.cpp
}

namespace {

// After libweft.so's own constructors (it is a dependency) and before main; threads that exist already are stopped for the while.
[[gnu::constructor]] void patch_at_start() {
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

}  // namespace
