// The objects the loader has mapped, as far as patching cares: text, readable segments, unwind table, build-id.
// Start-up path only: walks dl_iterate_phdr and allocates.
#pragma once

#include <link.h>

#include <cstdint>
#include <string>
#include <vector>

namespace weft::patch {

struct range {
  std::uintptr_t begin = 0, end = 0;
  bool holds(std::uintptr_t a) const noexcept { return a >= begin && a < end; }
  std::size_t size() const noexcept { return end - begin; }
};

struct elf_image {
  std::string path;               // as the loader names it; empty for the main program
  std::uintptr_t base = 0;        // load bias: added to every address in the file
  std::vector<range> text;        // executable segments
  std::vector<range> readable;    // every loaded segment, text included
  std::uintptr_t eh_frame_hdr = 0;  // 0: the object has no table of functions
  std::string build_id;           // lower-case hex; empty without a note
  bool text_relocations = false;  // the loader may still write into its text
  bool go = false;                // made by Go's toolchain
  bool elsewhere = false;         // in a namespace of dlmopen's

  bool holds(std::uintptr_t address) const noexcept;
  std::string name() const;  // the path without its folders, "main program" for the unnamed one
};

// What the program headers of an object say that lies at `base`.
elf_image describe_image(const char* path, std::uintptr_t base, const ElfW(Phdr)* headers, int count);

// All loaded objects, in the loader's order: the main program first, those of other namespaces (dlmopen) last, where the loader
// names them (glibc 2.35).
std::vector<elf_image> loaded_images();

}  // namespace weft::patch
