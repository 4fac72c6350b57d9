// What the core's public files know of greenlets (hub.hpp has what context.cpp needs).
#pragma once

#include <cstddef>

#include "weft/detail/runtime.hpp"

namespace weft::core {

// The fiber ends: its greenlets too, each by greenlet_exit. On the fiber's own stack.
void end_greenlets(void* tree) noexcept;

// Whether `address` lies in the guard of a greenlet's stack of this OS thread; its size goes to `size`. From the fault handler.
bool in_greenlet_guard(const void* address, std::size_t& size) noexcept;

}  // namespace weft::core
