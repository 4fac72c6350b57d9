// The getaddrinfo family of a program that has no shim: the slots through which loaded objects call it are pointed at Weft's resolver.
//
// libc's own resolver could not do: its waits park through the rewritten sites, but its state is thread-local, so that two fibers of a
// thread in it read each other's answers. Where the shim is, the loader has bound its symbols already, and nothing is done here. A
// program or library that brings functions of these names itself keeps them.
// Start-up path: dl_iterate_phdr and dlsym. Slots that the loader has made read-only (RELRO) are so again afterwards.
#pragma once

namespace weft::patch {

// In every object that is loaded now; again after dlopen. How many slots lead to Weft's resolver because of this call.
int redirect_resolver();

}  // namespace weft::patch
