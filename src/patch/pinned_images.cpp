#include "patch/pinned_images.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>

namespace weft::patch {
namespace {

// The main program and the vDSO have no path. Those of other namespaces cannot be asked for: dlmopen of a namespace that has just become
// empty leaves the loader's lock locked (glibc 2.36, the error in _dl_open).
bool can_be_pinned(const elf_image& image) { return !image.elsewhere && image.path.find('/') != std::string::npos; }

// The name may by now be another object's: only its place says that it is the one.
void* pin(const elf_image& image) {
  void* const handle = dlopen(image.path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  const link_map* map = nullptr;
  if (handle == nullptr || (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map->l_addr == image.base)) return handle;
  dlclose(handle);
  return nullptr;
}

}  // namespace

pinned_images::pinned_images() {
  for (const elf_image& image : loaded_images()) {
    if (can_be_pinned(image)) {
      void* const handle = pin(image);
      if (handle == nullptr) continue;
      handles_.push_back(handle);
    }
    bases_.push_back(image.base);
  }
  std::sort(bases_.begin(), bases_.end());
}

pinned_images::~pinned_images() {
  for (void* handle : handles_) dlclose(handle);
}

bool pinned_images::holds(const elf_image& image) const noexcept { return std::binary_search(bases_.begin(), bases_.end(), image.base); }

}  // namespace weft::patch
