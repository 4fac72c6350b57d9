// Pipes and terminals whose other users may be faster: what poll(2) says of them need not be true a moment later.
#pragma once

#include "io/offload.hpp"

namespace weft::io {

// Whether a read or write of `fd`, of that kind (facts::kind), could wait although poll(2) calls it ready, and may be made by a
// thread of Weft's: not for a process in the background of its terminal, which the kernel stops through the calling thread.
bool shared_and_blocking(int fd, long kind) noexcept;

}  // namespace weft::io
