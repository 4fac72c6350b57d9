// Which loaded objects are never patched, whoever asks.
#pragma once

#include <cstdint>
#include <vector>

#include "patch/elf_image.hpp"

namespace weft::patch {

// Null when the object may be patched, else why not. Asks the loader for names of sanitizers: not to be kept while objects come and go.
class patch_policy {
public:
  const char* never_patched(const elf_image& image);

private:
  bool is_sanitizer(const elf_image& image);

  bool asked_ = false;
  std::vector<std::uintptr_t> sanitizers_;  // where an object that holds one's run-time has its symbol
};

}  // namespace weft::patch
