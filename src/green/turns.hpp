// Who wants to hear when the carrier turns from one fiber to another: clocks (clocks.hpp), credentials where threads differ in them, and
// the kernel's mask while a vfork child has been lent one thread's (signals.hpp).
#pragma once

#include "core/hub.hpp"

namespace weft::green {

// Looks who does. Where nobody does a switch costs one comparison.
void hear_of_turns(detail::hub& h) noexcept;

}  // namespace weft::green
