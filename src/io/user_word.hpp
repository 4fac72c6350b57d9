// One 32-bit word of a program's memory, read or exchanged where any address may be given: false instead of a fault.
//
// A system call a look (user_memory.hpp) would cost more than a hand-over between two fibers. So a page is asked of the kernel once,
// until the program changes its mappings. Should it do that out of Weft's sight (the loader's own sites), the load faults, and Weft's
// fault handler (core/overflow.cpp), if it is still in place, sends it on to the failing return.
#pragma once

#include <cstdint>

namespace weft::io {

// Reads an aligned word. False where the kernel would give EFAULT.
bool load_word(const void* at, std::uint32_t& value) noexcept;

// Mappings are changing: what is known of pages may be wrong from now on.
void forget_pages() noexcept;

// Compares and exchanges an aligned word; `expected` holds what was found when `swapped` is false. False where the kernel would
// give EFAULT.
bool exchange_word(void* at, std::uint32_t& expected, std::uint32_t desired, bool& swapped) noexcept;

// Writes an aligned word, whatever was there. False where the kernel would give EFAULT.
bool store_word(void* at, std::uint32_t value) noexcept;

}  // namespace weft::io
