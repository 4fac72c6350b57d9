#include "patch/elf_image.hpp"

#include <elf.h>
#include <link.h>

#include <cstring>

namespace weft::patch {
namespace {

std::string build_id_in(std::uintptr_t notes, std::size_t size) {
  std::string hex;
  while (size >= sizeof(ElfW(Nhdr))) {
    const auto* n = reinterpret_cast<const ElfW(Nhdr)*>(notes);
    const std::size_t name = (n->n_namesz + 3u) & ~std::size_t{3}, desc = (n->n_descsz + 3u) & ~std::size_t{3};
    const std::size_t whole = sizeof *n + name + desc;
    if (whole > size) break;
    const auto* body = reinterpret_cast<const unsigned char*>(n + 1);
    if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && std::memcmp(body, "GNU", 4) == 0) {
      for (std::size_t k = 0; k < n->n_descsz; ++k) {
        hex += "0123456789abcdef"[body[name + k] >> 4];
        hex += "0123456789abcdef"[body[name + k] & 15];
      }
      break;
    }
    notes += whole;
    size -= whole;
  }
  return hex;
}

int add_image(dl_phdr_info* info, std::size_t, void* out) {
  elf_image image;
  image.path = info->dlpi_name != nullptr ? info->dlpi_name : "";
  image.base = info->dlpi_addr;
  for (int k = 0; k < info->dlpi_phnum; ++k) {
    const ElfW(Phdr)& h = info->dlpi_phdr[k];
    const range r{image.base + h.p_vaddr, image.base + h.p_vaddr + h.p_memsz};
    if (h.p_type == PT_LOAD && (h.p_flags & PF_R) != 0) image.readable.push_back(r);
    if (h.p_type == PT_LOAD && (h.p_flags & PF_X) != 0) image.text.push_back(r);
    if (h.p_type == PT_GNU_EH_FRAME) image.eh_frame_hdr = r.begin;
    if (h.p_type == PT_NOTE && image.build_id.empty()) image.build_id = build_id_in(r.begin, r.size());
  }
  static_cast<std::vector<elf_image>*>(out)->push_back(std::move(image));
  return 0;
}

}  // namespace

bool elf_image::holds(std::uintptr_t address) const noexcept {
  for (const range& r : readable)
    if (r.holds(address)) return true;
  return false;
}

std::string elf_image::name() const {
  if (path.empty()) return "main program";
  return path.substr(path.rfind('/') + 1);
}

std::vector<elf_image> loaded_images() {
  std::vector<elf_image> images;
  dl_iterate_phdr(add_image, &images);
  return images;
}

}  // namespace weft::patch
