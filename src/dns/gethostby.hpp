// The gethostby family with glibc's results and errors: what the interposed symbols call. None throws anything but a forced unwind.
//
// In a thread without other fibers libc's own functions answer, into libc's own memory. Otherwise the forms without _r give each
// fiber memory of its own, valid until that fiber's next call or its end. A wait that was cut short is NETDB_INTERNAL with errno
// ECANCELED (EINTR: an exception waits for the fiber).
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include "weft/detail/runtime.hpp"

extern "C" {

WEFT_API int weft_dns_gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, size_t size, hostent** result,
                                       int* error);
WEFT_API int weft_dns_gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer, size_t size,
                                      hostent** result, int* error);
WEFT_API hostent* weft_dns_gethostbyname2(const char* name, int family);
WEFT_API hostent* weft_dns_gethostbyaddr(const void* address, socklen_t length, int family);

}  // extern "C"
