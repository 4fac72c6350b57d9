// Memory for the stacks that glibc maps for its threads: slots of one size in large reserved mappings.
//
// A mapping and its guard for each stack would end at vm.max_map_count, near 32,000 threads. Here a slot is part of a larger mapping,
// its guard is MADV_GUARD_INSTALL (no mapping of its own; with WEFT_WITHOUT=guard, mprotect), and a slot that was given back is given out
// again with its guard in place and reading as zeroes. Slots of a size follow each other without gaps, so that the top of a stack, the
// only part that most threads touch, and the guard above it share a page of page tables.
// What a program does to such memory beyond mapping, protecting and unmapping it whole is the kernel's to do: it is real memory. A
// slot that was changed so is mapped afresh before it is used again, one of which a part was unmapped or moved never is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::green::arena {

// A stack of `bytes`; 0 when the kernel is to be asked. `usable`: readable and writable at once; else protect() is to follow, as with
// memory that was mapped with PROT_NONE.
std::uint64_t map(std::uint64_t bytes, bool usable) noexcept;

// Whether any of [at, at + bytes) lies in the arena. The others may be called only then.
bool touches(std::uint64_t at, std::uint64_t bytes) noexcept;

// As mprotect(2), munmap(2).
long protect(std::uint64_t at, std::uint64_t bytes, int protection) noexcept;
long unmap(std::uint64_t at, std::uint64_t bytes) noexcept;

// The kernel is about to change what it keeps of these pages (a key, a lock, advice that splits mappings).
void about_to_change(std::uint64_t at, std::uint64_t bytes) noexcept;
// The kernel is about to take these pages away, or to put others there: they are the arena's no longer.
void about_to_lose(std::uint64_t at, std::uint64_t bytes) noexcept;

// In a forked child, where no other thread can be inside.
void after_fork() noexcept;

struct figures {
  std::uint64_t mappings, in_use, most_in_use;
};
figures look() noexcept;

}  // namespace weft::green::arena
