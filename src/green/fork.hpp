// For src/io's fork, in the child, when it has a poller of its own.
#pragma once

#include "green/thread.hpp"

namespace weft::green {

void in_forked_child(hub& h) noexcept;

}  // namespace weft::green
