// Which loaded objects are never patched, whoever asks.
#pragma once

#include "patch/elf_image.hpp"

namespace weft::patch {

// Null when the object may be patched, else why not.
const char* never_patched(const elf_image& image);

}  // namespace weft::patch
