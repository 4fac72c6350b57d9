// weft.h: traces.
#include "weft/trace.hpp"

#include "capi/guard.hpp"
#include "weft/weft.h"

using namespace weft::capi;

int weft_trace_start(const char* path, size_t bytes) {
  if (path == nullptr) return fail(EINVAL);
  return guarded([&] { weft::trace_start(path, bytes); });
}

int weft_trace_stop(void) {
  return guarded([] { weft::trace_stop(); });
}
