// The numbers of Weft's own descriptors in this process, of all hubs: the program must not close them, and must not see them as its own.
#pragma once

namespace weft::sys {

void note_own_descriptor(int fd) noexcept;
// Before it is closed.
void forget_own_descriptor(int fd) noexcept;

bool is_own_descriptor(int fd) noexcept;
// The lowest of them from `fd` on; -1: none.
int next_own_descriptor(int fd) noexcept;

}  // namespace weft::sys
