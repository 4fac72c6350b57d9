// Keeps the objects mapped that are loaded now, so that they can be read and written to while other threads call dlclose. Start-up path
// only: takes the loader's lock, and its end may run the destructors of an object that was closed meanwhile. Never made or let go with the
// lock of patch.cpp held, which a library's constructor that calls patch_all() waits for with the loader's.
#pragma once

#include <cstdint>
#include <vector>

#include "patch/elf_image.hpp"

namespace weft::patch {

class pinned_images {
public:
  pinned_images();
  ~pinned_images();
  pinned_images(const pinned_images&) = delete;
  pinned_images& operator=(const pinned_images&) = delete;

  // The object cannot go while this lives; one of another namespace is taken to stay. One that came later is not held.
  bool holds(const elf_image& image) const noexcept;

private:
  std::vector<void*> handles_;
  std::vector<std::uintptr_t> bases_;  // sorted
};

}  // namespace weft::patch
