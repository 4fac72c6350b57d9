#include "patch/site_cache.hpp"

#include <cstring>
#include <span>

#include "patch/dispatch.hpp"
#include "patch/window.hpp"

namespace weft::patch {
namespace {

struct file_head {
  char magic[8];
  char object[48];  // build-ids, in hex
  char weft[48];
  std::uint64_t layout;   // of the object's segments
  std::uint64_t windows;  // of the bytes at the sites
  std::uint64_t rows;     // of all that follows this head
  std::uint32_t sites, displaced;
};

struct file_site {
  std::uint32_t offset;
  std::int32_t nr;
  std::uint8_t before, after, state, vectors;
};

constexpr char magic[8] = {'w', 'e', 'f', 't', 's', 'i', 't', '1'};

class digest {
public:
  void add(std::uint64_t word) noexcept {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15u;
    state_ ^= state_ >> 29;
  }
  void add(const void* at, std::size_t n) noexcept {
    const auto* p = static_cast<const unsigned char*>(at);
    for (; n >= 8; n -= 8, p += 8) {
      std::uint64_t word;
      std::memcpy(&word, p, 8);
      add(word);
    }
    std::uint64_t rest = n;
    for (; n > 0; --n) rest = rest << 8 | *p++;
    add(rest);
  }
  std::uint64_t value() const noexcept { return state_; }

private:
  std::uint64_t state_ = 0x5745465453495445u;
};

// The build-id of the object that this code is in: a table of another build may rest on other rules.
const std::string& own_build() {
  static const std::string id = [] {
    for (const elf_image& image : loaded_images())
      if (image.holds(reinterpret_cast<std::uintptr_t>(&weft_patch_entry))) return image.build_id;
    return std::string();
  }();
  return id;
}

std::uint64_t layout_of(const elf_image& image) {
  digest d;
  for (const range& r : image.readable) {
    d.add(r.begin - image.base);
    d.add(r.end - image.base);
  }
  for (const range& r : image.text) {
    d.add(r.begin - image.base);
    d.add(r.end - image.base);
  }
  d.add(image.eh_frame_hdr == 0 ? 0 : image.eh_frame_hdr - image.base);
  return d.value();
}

// False when a site does not lie in the text.
bool digest_windows(const elf_image& image, const std::vector<known_site>& sites, std::uint64_t& result) {
  digest d;
  for (const known_site& s : sites) {
    const std::uintptr_t at = image.base + s.what.offset;
    const std::size_t whole = std::size_t{s.what.before} + syscall_length + s.what.after;
    bool inside = false;
    for (const range& t : image.text) inside = inside || (at - s.what.before >= t.begin && at - s.what.before + whole <= t.end);
    if (!inside) return false;
    const auto* code = reinterpret_cast<const unsigned char*>(at);
    if (code[0] != 0x0f || code[1] != 0x05) return false;
    d.add(code - s.what.before, whole);
  }
  result = d.value();
  return true;
}

bool name_into(char (&field)[48], const std::string& id) {
  if (id.empty() || id.size() >= sizeof field) return false;
  std::memset(field, 0, sizeof field);
  std::memcpy(field, id.data(), id.size());
  return true;
}

bool head_of(const elf_image& image, file_head& h) {
  std::memcpy(h.magic, magic, sizeof magic);
  h.layout = layout_of(image);
  return name_into(h.object, image.build_id) && name_into(h.weft, own_build());
}

std::string file_name(const elf_image& image) { return image.build_id + ".sites"; }

}  // namespace

bool load_sites(const cache_folder& folder, known_object& o) {
  file_head wanted{}, head;
  std::vector<unsigned char> bytes;
  if (!folder.usable() || !head_of(o.image, wanted) || !folder.read(file_name(o.image), bytes) || bytes.size() < sizeof head)
    return false;
  std::memcpy(&head, bytes.data(), sizeof head);
  const std::size_t sites = std::size_t{head.sites} * sizeof(file_site), code = std::size_t{head.displaced} * sizeof(displaced);
  if (std::memcmp(&head, &wanted, offsetof(file_head, windows)) != 0 || bytes.size() != sizeof head + sites + code) return false;
  digest rows;
  rows.add(bytes.data() + sizeof head, sites + code);
  if (rows.value() != head.rows) return false;
  std::vector<known_site> found(head.sites);
  for (std::size_t k = 0; k < found.size(); ++k) {
    file_site s;
    std::memcpy(&s, bytes.data() + sizeof head + k * sizeof s, sizeof s);
    if (s.state > static_cast<std::uint8_t>(site_state::overlap)) return false;
    found[k].what = {s.offset, s.nr, s.before, s.after, static_cast<site_state>(s.state), s.vectors != 0};
  }
  std::uint64_t windows;
  if (!digest_windows(o.image, found, windows) || windows != head.windows) return false;
  o.sites = std::move(found);
  o.code = displaced_code(o.image.base);
  o.code.rows.resize(head.displaced);
  if (code != 0) std::memcpy(o.code.rows.data(), bytes.data() + sizeof head + sites, code);
  return true;
}

void store_sites(const cache_folder& folder, const known_object& o) {
  file_head head{};
  if (!folder.usable() || !head_of(o.image, head) || !digest_windows(o.image, o.sites, head.windows)) return;
  head.sites = static_cast<std::uint32_t>(o.sites.size());
  head.displaced = static_cast<std::uint32_t>(o.code.rows.size());
  std::vector<unsigned char> bytes(sizeof head);
  const auto append = [&](const void* at, std::size_t n) {
    const auto* p = static_cast<const unsigned char*>(at);
    bytes.insert(bytes.end(), p, p + n);
  };
  for (const known_site& s : o.sites) {
    const file_site row{s.what.offset, s.what.nr, s.what.before, s.what.after, static_cast<std::uint8_t>(s.what.state),
                        static_cast<std::uint8_t>(s.what.vectors)};
    append(&row, sizeof row);
  }
  if (!o.code.rows.empty()) append(o.code.rows.data(), o.code.rows.size() * sizeof(displaced));
  digest rows;
  rows.add(bytes.data() + sizeof head, bytes.size() - sizeof head);
  head.rows = rows.value();
  std::memcpy(bytes.data(), &head, sizeof head);
  folder.write(file_name(o.image), bytes);
}

}  // namespace weft::patch
