// Memory within reach of a 32-bit jump from a piece of text. Raw system calls only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "patch/elf_image.hpp"

namespace weft::patch {

// Maps `bytes` (whole pages, readable and writable) so that every byte is less than 2 GiB from every byte of `text`; null
// when there is no such hole or the kernel refuses.
std::uint8_t* map_near(range text, std::size_t bytes) noexcept;

// Whether a 32-bit distance leads from `from` (the end of the instruction) to `to`.
constexpr bool reaches(std::uintptr_t from, std::uintptr_t to) noexcept {
  const auto d = static_cast<std::intptr_t>(to - from);
  return d >= INT32_MIN && d <= INT32_MAX;
}

}  // namespace weft::patch
