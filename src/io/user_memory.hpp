// Looking at memory that a program named, where the kernel would answer EFAULT: never a crash.
//
// After a successful system call on the same memory none of this is needed: the kernel has just read it.
#pragma once

#include <cstddef>

namespace weft::io {

// Copies `bytes` (a multiple of 8) from a program's address. False where the kernel would give EFAULT.
bool copy_in(void* to, const void* user, std::size_t bytes) noexcept;
// The other way.
bool copy_out(void* user, const void* from, std::size_t bytes) noexcept;

// Whether the kernel could read `bytes` (a multiple of 8) there.
bool readable(const void* user, std::size_t bytes) noexcept;

}  // namespace weft::io
