// Which of the program's memory other processes may have, too: a futex there may be woken by somebody whom Weft does not see.
#pragma once

#include <cstdint>

#include "green/rows.hpp"

namespace weft::green {

// What was mapped shared, by mmap or shmat, since libweft.so is there. It may have been unmapped since: the answer is then too careful.
bool may_be_shared(std::uint64_t address) noexcept;
bool anything_shared() noexcept;
// Of it, what this process may write.
bool anything_to_lock() noexcept;
void note_shared(std::uint64_t at, std::uint64_t bytes) noexcept;

// mmap(2) and mremap(2), noting what is shared. A call has one row: the stacks' (stacks.cpp) goes on here.
door_answer map_noting_shared(door_frame* f, long nr) noexcept;
door_answer remap_noting_shared(door_frame* f, long nr) noexcept;

// For io::futex::woken_by_threads: whether all who may wake a word that is not private, on which somebody waits while it is
// `expected`, come by Weft's table: no other process, and no thread of the kernel's whose end wakes it.
bool woken_here(std::uint64_t address, std::uint32_t expected) noexcept;

}  // namespace weft::green
