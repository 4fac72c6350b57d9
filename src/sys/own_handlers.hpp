// Weft's own signal handlers, by address: a program's handlers are run when and where its calls can stand them (io/signals.hpp),
// these at once, wherever the kernel interrupted the thread.
#pragma once

namespace weft::sys {

// Before the handler is installed. Remembers a few for ever.
void note_own_handler(const void* handler) noexcept;
bool is_own_handler(const void* handler) noexcept;

// The one of them that stands where the program has the default action, which is what the program is to see; null: there is none.
inline const void* default_stand_in = nullptr;

}  // namespace weft::sys
