// Hears of objects that are loaded or unloaded later, whoever does it: dlopen, dlmopen, libc for itself (NSS, iconv).
//
// The loader calls an empty function of its own after every change, for debuggers (r_debug::r_brk, see <link.h>): new objects are
// mapped then, and none of their code has run. A jump laid over it leads here. Where the function does not look as expected, a
// debugger's breakpoint included, there is no watch, and patch_all() has to be called again.
#pragma once

#include <optional>

#include "patch/apply.hpp"

namespace weft::patch {

// The change to the loader's text that makes it call `changed` from now on, to be applied with others. nullopt where it cannot be
// had. `changed` runs under the loader's lock and must wait for nobody who might want that.
std::optional<segment_changes> watch_of_loads(void (*changed)());

// Whether the loader's list is whole, as it is when `changed` may look at it.
bool loads_are_consistent() noexcept;

}  // namespace weft::patch
