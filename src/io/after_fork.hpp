// What the layer above does in a forked child.
#pragma once

#include "core/hub.hpp"

namespace weft::io {

// The child has only the thread that forked: called there once the hub has its poller. Set by src/green.
inline void (*forget_other_threads)(detail::hub& h) noexcept = nullptr;

// A child is about to be made that borrows this memory (vfork). Set by src/green.
inline void (*before_borrowing_child)() noexcept = nullptr;

}  // namespace weft::io
