#include "patch/elf_image.hpp"

#include <elf.h>
#include <link.h>

#include <cstring>

namespace weft::patch {
namespace {

// The build-id, and Go's own note beside it.
void read_notes(std::uintptr_t notes, std::size_t size, elf_image& image) {
  std::string& hex = image.build_id;
  while (size >= sizeof(ElfW(Nhdr))) {
    const auto* n = reinterpret_cast<const ElfW(Nhdr)*>(notes);
    const std::size_t name = (n->n_namesz + 3u) & ~std::size_t{3}, desc = (n->n_descsz + 3u) & ~std::size_t{3};
    const std::size_t whole = sizeof *n + name + desc;
    if (whole > size) break;
    const auto* body = reinterpret_cast<const unsigned char*>(n + 1);
    if (n->n_type == 4 && n->n_namesz == 4 && std::memcmp(body, "Go\0", 4) == 0) image.go = true;
    if (hex.empty() && n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && std::memcmp(body, "GNU", 4) == 0)
      for (std::size_t k = 0; k < n->n_descsz; ++k) {
        hex += "0123456789abcdef"[body[name + k] >> 4];
        hex += "0123456789abcdef"[body[name + k] & 15];
      }
    notes += whole;
    size -= whole;
  }
}

bool has_text_relocations(const ElfW(Dyn)* d) {
  for (; d->d_tag != DT_NULL; ++d)
    if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL) != 0)) return true;
  return false;
}

}  // namespace

elf_image describe_image(const char* path, std::uintptr_t base, const ElfW(Phdr)* headers, int count) {
  elf_image image;
  image.path = path != nullptr ? path : "";
  image.base = base;
  for (int k = 0; k < count; ++k) {
    const ElfW(Phdr)& h = headers[k];
    const range r{image.base + h.p_vaddr, image.base + h.p_vaddr + h.p_memsz};
    if (h.p_type == PT_LOAD && (h.p_flags & PF_R) != 0) image.readable.push_back(r);
    if (h.p_type == PT_LOAD && (h.p_flags & PF_X) != 0) image.text.push_back(r);
    if (h.p_type == PT_GNU_EH_FRAME) image.eh_frame_hdr = r.begin;
    if (h.p_type == PT_NOTE) read_notes(r.begin, r.size(), image);
    if (h.p_type == PT_DYNAMIC) image.text_relocations = has_text_relocations(reinterpret_cast<const ElfW(Dyn)*>(r.begin));
  }
  return image;
}

namespace {

struct collected {
  std::vector<elf_image> images;
  std::vector<elf_image> elsewhere;

  bool holds(std::uintptr_t base) const {
    for (const auto* list : {&images, &elsewhere})
      for (const elf_image& i : *list)
        if (i.base == base) return true;
    return false;
  }
};

// The loader shows each namespace to its own objects only; its list for debuggers has them all.
void look_elsewhere(collected& all) {
#if __GLIBC_PREREQ(2, 35)
  if (_r_debug.r_version < 2) return;
  void* first = &_r_debug;
  asm("" : "+r"(first));  // the compiler knows how large libc's header says it is
  for (auto* space = static_cast<r_debug_extended*>(first)->r_next; space != nullptr; space = space->r_next)
    for (const link_map* m = space->base.r_map; m != nullptr; m = m->l_next) {
      const auto* file = reinterpret_cast<const ElfW(Ehdr)*>(m->l_addr);
      if (m->l_addr == 0 || m->l_name == nullptr || *m->l_name == 0 || all.holds(m->l_addr)) continue;
      if (std::memcmp(file->e_ident, ELFMAG, SELFMAG) != 0) continue;
      all.elsewhere.push_back(describe_image(m->l_name, m->l_addr, reinterpret_cast<const ElfW(Phdr)*>(m->l_addr + file->e_phoff),
                                             file->e_phnum));
      all.elsewhere.back().elsewhere = true;
    }
#else
  (void)all;
#endif
}

// Under the lock that keeps objects from coming and going.
int add_image(dl_phdr_info* info, std::size_t, void* out) {
  auto& all = *static_cast<collected*>(out);
  all.images.push_back(describe_image(info->dlpi_name, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum));
  return 0;
}

int look_once(dl_phdr_info*, std::size_t, void* out) {
  look_elsewhere(*static_cast<collected*>(out));
  return 1;
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
  collected all;
  dl_iterate_phdr(add_image, &all);
  dl_iterate_phdr(look_once, &all);
  for (elf_image& i : all.elsewhere) all.images.push_back(std::move(i));
  return std::move(all.images);
}

}  // namespace weft::patch
