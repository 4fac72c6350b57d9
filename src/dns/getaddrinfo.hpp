// getaddrinfo with glibc's semantics, answered from the hosts file and c-ares. Both doors (the C++ function and the interposed
// symbol) end here; they differ in what they make of a wait that was cut short.
#pragma once

#include <netdb.h>

#include "weft/detail/runtime.hpp"

namespace weft::dns {

// As getaddrinfo(3). When the wait for an answer ended by anything but an answer, `ended` says by what (and the result is
// EAI_AGAIN); otherwise it is `ready`. Throws bad_alloc, out_of_stacks.
int look_up(const char* node, const char* service, const addrinfo* hints, addrinfo** result, detail::wake& ended);

// What the interposed symbol calls: throws nothing (not noexcept, so that a forced unwind can pass). In a thread that has no fiber
// but the calling one libc answers, untouched (unless WEFT_RESOLV_CONF is set). A cancelled wait is EAI_SYSTEM with errno ECANCELED.
extern "C" WEFT_API int weft_dns_getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                                             addrinfo** result);

}  // namespace weft::dns
