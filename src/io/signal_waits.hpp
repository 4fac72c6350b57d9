// Calls that wait for signals. See ops.hpp for what ops return.
#pragma once

#include <cstddef>
#include <ctime>

#include "io/ended.hpp"

namespace weft::io {

long pause(hub& h) noexcept;
// With a mask of its own, `size` bytes: what only it lets through ends the call, too; other signals go by the thread's mask.
long sigsuspend(hub& h, const void* mask, std::size_t size) noexcept;
// rt_sigtimedwait(2): takes one of the signals in `set`, which the thread blocks; its number. `limit`: null for none.
long sigtimedwait(hub& h, const void* set, void* info, const timespec* limit, std::size_t size) noexcept;

}  // namespace weft::io
