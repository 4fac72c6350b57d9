// Waiting for child processes. See ops.hpp for what ops return.
//
// The kernel's own call without waiting comes first and last, so that what it answers (status, resource usage, ECHILD) is the kernel's;
// between, the fiber waits until there may be something to collect: on a pidfd for the end of one child, else in a waitid(2) that
// leaves what it finds (WNOWAIT), made by io_uring or by a thread of Weft's own.
#pragma once

#include "io/ended.hpp"

namespace weft::io {

long wait4(hub& h, int pid, int* status, int options, void* usage) noexcept;
long waitid(hub& h, int kind, int id, void* info, int options, void* usage) noexcept;

// Parks until the child `pid` has ended (its status is left to be collected) or the deadline. 0, -ECHILD when there is no such child,
// or an ended code.
long wait_child(hub& h, int pid, nanos deadline, const char* reason) noexcept;

}  // namespace weft::io
