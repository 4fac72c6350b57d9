// libweft-shim.so: what LD_PRELOAD brings into a program that does not know Weft. All of it is in libweft.so; this object only calls
// it at start, and holds the interposed symbols (functions.def, netdb.cpp).
//
// A program that makes no fibers runs as without: the rewritten sites pass every call through.
#include <cstdlib>

#include "patch/symbols.hpp"
#include "weft/patch.hpp"

namespace weft::shim {
int wrapped_functions() noexcept;  // wrappers.cpp
}

namespace {

// After libweft.so's own constructors (it is a dependency) and before main; threads that exist already are stopped for the while.
[[gnu::constructor]] void patch_at_start() {
  weft::patch::weft_symbols_offer(weft::shim::wrapped_functions());
  const char* off = std::getenv("WEFT_OFF");
  if (off == nullptr || *off == 0) weft::patch_all();
}

}  // namespace
