// What is known of each object that was looked at: its sites, and which of them are redirected.
#pragma once

#include <string>
#include <vector>

#include "patch/decoder.hpp"
#include "patch/displaced.hpp"
#include "patch/elf_image.hpp"
#include "patch/site.hpp"
#include "patch/trampoline.hpp"

namespace weft::patch {

struct known_site {
  site what;
  std::uintptr_t trampoline = 0;  // 0: not redirected
  std::uintptr_t done = 0;        // where the trampoline's own syscall instruction ends
  bool failed = false;            // its instructions could not be moved after all
  std::uintptr_t kept = 0;        // a trampoline from an earlier life of the object at the same place, and its `done`
  std::uintptr_t kept_done = 0;
};

struct known_object {
  elf_image image;
  const char* skipped = nullptr;
  std::string failed;
  std::vector<known_site> sites;
  displaced_code code;  // of the patchable ones

  // Whether `now` is this very object, still mapped where it was and with our jumps in it.
  bool is(const elf_image& now) const;
};

// Scans the text of `o.image`: fills in sites and code.
void look_at(known_object& o, const decoder& d);

}  // namespace weft::patch
