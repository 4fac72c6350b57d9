// The other door: libc's functions interposed by the shim, for programs whose text cannot be rewritten. The wrappers (shim/) make the
// same calls of the same handlers as a rewritten site would; what passes goes on into libc's own function.
//
// Run-time path, exported to the shim: no libc, no malloc, general registers only.
#pragma once

#include "patch/dispatch.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::patch {

extern "C" {

// The table of handlers while this door is open, null while it is shut: every wrapper then goes straight on to libc.
extern WEFT_API handler* weft_symbol_handlers;

// The shim tells how many functions it has wrapped. Without a word from it this door cannot be opened.
WEFT_API void weft_symbols_offer(int functions);

}  // extern "C"

// How many functions are wrapped in this process; 0 without the shim.
int symbols_offered() noexcept;
// From now on the wrappers ask the handlers. Stays open.
void open_symbols() noexcept;
bool symbols_open() noexcept;

}  // namespace weft::patch
