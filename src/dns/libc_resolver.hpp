// libc's own resolver, found past any symbol that stands before it (the shim's).
#pragma once

#include <netdb.h>

namespace weft::dns {

// libc's getaddrinfo. In a patched process its system calls park the fiber; elsewhere it blocks the OS thread.
int libc_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);

}  // namespace weft::dns
