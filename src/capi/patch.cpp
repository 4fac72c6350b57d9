// weft.h: the door to patch_all.
#include "capi/guard.hpp"
#include "sys/report.hpp"
#include "weft/patch.hpp"
#include "weft/weft.h"

using namespace weft::capi;

int weft_patch_all(void) {
  return guarded([] {
    const weft::patch_result done = weft::patch_all();
    if (done.sites_patched == 0 && done.symbols == 0 && !done.error.empty()) {
      weft::sys::report() << "patch_all: " << done.error.c_str() << "\n";
      return fail(ENOTSUP);
    }
    return done.sites_patched + done.symbols;
  });
}
