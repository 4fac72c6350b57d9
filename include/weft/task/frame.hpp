// The memory of coroutine frames: a pool of the thread's, so that a call of a coroutine costs no malloc.
#pragma once

#include <cstddef>

#include "weft/detail/runtime.hpp"

namespace weft::detail {

// Aligned to 16. Throws bad_alloc.
WEFT_API void* frame_alloc(std::size_t size);
// On whatever thread.
WEFT_API void frame_free(void* frame, std::size_t size) noexcept;

// Whether one coroutine may resume another directly. Unoptimised compilers, and the address sanitizer, make a nested call of it; a loop
// that awaits a thousand tasks would then stand a thousand calls deep.
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool direct_transfer = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool direct_transfer = false;
#else
inline constexpr bool direct_transfer = true;
#endif
#else
inline constexpr bool direct_transfer = true;
#endif

// g++ makes jumps of them only at -O2, and does not tell at which level it works: at -O1 and -Og they nest, too. So every so often one
// takes the way that unwinds the stack; 64 nested ones fit into the smallest.
#if defined(__clang__)
inline constexpr bool transfers_may_nest = false;
#else
inline constexpr bool transfers_may_nest = true;
#endif
inline constexpr unsigned transfers_in_a_row = 64;  // divides 256

}  // namespace weft::detail
