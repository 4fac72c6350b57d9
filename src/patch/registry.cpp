#include "patch/registry.hpp"

#include <cstring>

#include "patch/apply.hpp"
#include "patch/scan.hpp"
#include "patch/window.hpp"

namespace weft::patch {

bool known_object::is(const elf_image& now) const {
  if (now.base != image.base || now.path != image.path || now.build_id != image.build_id) return false;
  for (const known_site& s : sites) {
    if (s.trampoline == 0) continue;
    const std::uint8_t whole = static_cast<std::uint8_t>(s.what.before + syscall_length + s.what.after);
    const text_change c{image.base + s.what.offset - s.what.before, whole, s.trampoline};
    std::uint8_t bytes[256];
    encode(c, bytes);
    return std::memcmp(reinterpret_cast<const void*>(c.at), bytes, whole) == 0;  // one tells for all
  }
  return true;
}

void look_at(known_object& o, const decoder& d) {
  const elf_image& image = o.image;
  for (const range& text : image.text) {
    if (text.end - image.base > UINT32_MAX) continue;  // no offset would fit; no such object has been seen
    const fde_table functions(image.eh_frame_hdr, text);
    const code c{image.base, text, image.readable, [&](std::uintptr_t a) { return functions.find(a); }};
    for (const site& s : scan(d, c)) o.sites.push_back({s});
  }
  o.code = displaced_code(image.base);
  for (const known_site& s : o.sites)
    if (s.what.state == site_state::patchable) o.code.add(d, s.what);
}

}  // namespace weft::patch
