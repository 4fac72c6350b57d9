// Which system call a site makes, when its code says so.
#pragma once

#include <span>

#include "patch/window.hpp"

namespace weft::patch {

// The constant that the instructions `before` the site leave in eax, provided none of them can be entered from elsewhere
// with another value; -1 otherwise. Never a guess: a site taken for another call would bypass its handler.
std::int32_t number_at(const decoder& d, std::uintptr_t site, std::span<const step> before, const target_set& targets);

}  // namespace weft::patch
