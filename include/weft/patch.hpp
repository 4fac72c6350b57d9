// patch_all(): from here on, blocking calls made inside fibers park the fiber instead of the OS thread. After gevent.monkey.
#pragma once

#include <string>

#include "weft/detail/runtime.hpp"

namespace weft {

struct patch_result {
  int sites = 0;           // system call instructions found in the loaded libraries
  int sites_patched = 0;   // of those, redirected to Weft
  int unpatchable = 0;     // wanted, but impossible
  int symbols = 0;         // interposed functions in use instead (see WEFT_DOOR); 0 while the sites are
  std::string error;       // empty, or why some library could not be patched (its calls block as before)
};

// Redirects the blocking system calls of libc and of every other loaded library to Weft: sleep, connect, accept, read, write, recv,
// send, poll, select and their kin. A thread that runs no fibers besides its main one is not affected. Libraries that are
// loaded later are reached as they are mapped, before any of their code runs. Idempotent. Other threads are stopped for about a
// millisecond. WEFT_PATCH=group,... selects groups of calls, WEFT_PATCH=-group,... excludes some; WEFT_DEBUG=1 says on standard error
// what was patched. Does not park.
// WEFT_DOOR=symbols interposes libc's functions instead, as a process does whose text cannot be written (WEFT_DOOR=auto, the
// default): that needs libweft-shim.so, preloaded or linked; without it a program has the sites only.
WEFT_API patch_result patch_all();

// What patch_all has done so far, without doing anything.
WEFT_API patch_result patch_info();

}  // namespace weft
