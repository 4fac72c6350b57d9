// What the layer above does in a forked child.
#pragma once

#include "core/hub.hpp"

namespace weft::io {

// The child has only the thread that forked: called there once the hub has its poller. Set by src/green.
inline void (*forget_other_threads)(detail::hub& h) noexcept = nullptr;

}  // namespace weft::io
