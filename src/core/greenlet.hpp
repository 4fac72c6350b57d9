// What the core's public files know of greenlets (hub.hpp has what context.cpp needs).
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/detail/runtime.hpp"

namespace weft::core {

// Where debuggers look (inspect/debug_layout.cpp, which cannot include the structs); greenlet.cpp asserts it.
inline constexpr std::uint32_t greenlet_tree_current_at = 16, greenlet_tree_live_at = 56;
inline constexpr std::uint32_t greenlet_context_at = 0, greenlet_is_root_at = 17, greenlet_lent_at = 19, greenlet_stack_log2_at = 21,
                               greenlet_parent_at = 32, greenlet_stk_at = 48, greenlet_next_at = 72;

// The fiber ends: its greenlets too, each by greenlet_exit. On the fiber's own stack.
void end_greenlets(void* tree) noexcept;

// Whether `address` lies in the guard of a greenlet's stack of this OS thread; its size goes to `size`. From the fault handler.
bool in_greenlet_guard(const void* address, std::size_t& size) noexcept;

}  // namespace weft::core
