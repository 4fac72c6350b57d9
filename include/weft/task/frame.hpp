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

}  // namespace weft::detail
