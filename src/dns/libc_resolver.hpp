// libc's own resolver, found past any symbol that stands before it (the shim's).
//
// In a patched process its system calls park the fiber; elsewhere it blocks the OS thread. It keeps its sockets in a thread_local
// (_res), which two fibers of one thread would read each other's answers from, and gethostbyname holds a lock while it waits: one
// fiber of a thread at a time goes in, the others park until it is back.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include "weft/detail/runtime.hpp"

namespace weft::dns {

// As the functions of <netdb.h>. `ended` is `ready`, or says what cut the wait short (then the result means nothing).
int libc_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result, detail::wake& ended);
int libc_getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size,
                     int flags, detail::wake& ended);
int libc_gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, std::size_t size, hostent** result, int* error,
                          detail::wake& ended);
int libc_gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer, std::size_t size,
                         hostent** result, int* error, detail::wake& ended);

// Into libc's static memory; for threads that have no fibers.
hostent* libc_gethostbyname2(const char* name, int family);
hostent* libc_gethostbyaddr(const void* address, socklen_t length, int family);

}  // namespace weft::dns
