// Wrappers of what changes a process's credentials. libc changes every thread's, and knows nothing of those that work for Weft: libc's
// function runs first, then Weft hears of it.
#include <sys/types.h>

#include "wrappers.hpp"

namespace weft::shim {

namespace {

// Any call of the family tells Weft; this one changes nothing (setfsuid(2)).
void tell() {
  long result;
  answered<cancellation::none>(SYS_setfsuid, result, -1);
}

}  // namespace

#define CREDENTIALS(name, parameters, arguments) \
  int call_##name parameters WEFT_SYMBOL(name); \
  int call_##name parameters { \
    static next_function next_##name{#name}; \
    const int done = reinterpret_cast<int(*) parameters>(next_##name.get()) arguments; \
    if (done >= 0) tell(); \
    return done; \
  }

CREDENTIALS(setuid, (uid_t u), (u))
CREDENTIALS(setgid, (gid_t g), (g))
CREDENTIALS(seteuid, (uid_t u), (u))
CREDENTIALS(setegid, (gid_t g), (g))
CREDENTIALS(setreuid, (uid_t r, uid_t e), (r, e))
CREDENTIALS(setregid, (gid_t r, gid_t e), (r, e))
CREDENTIALS(setresuid, (uid_t r, uid_t e, uid_t s), (r, e, s))
CREDENTIALS(setresgid, (gid_t r, gid_t e, gid_t s), (r, e, s))
CREDENTIALS(setfsuid, (uid_t u), (u))
CREDENTIALS(setfsgid, (gid_t g), (g))
CREDENTIALS(setgroups, (size_t n, const gid_t* groups), (n, groups))
CREDENTIALS(initgroups, (const char* user, gid_t g), (user, g))
CREDENTIALS(capset, (void* header, const void* data), (header, data))

}  // namespace weft::shim
