#include "patch/displaced.hpp"

#include <algorithm>

#include "patch/window.hpp"

namespace weft::patch {

void displaced_code::add(const decoder& d, const site& s) {
  const std::uintptr_t site_at = base_ + s.offset, end = site_at + syscall_length + s.after;
  for (std::uintptr_t at = site_at - s.before; at < end;) {
    if (at == site_at) {
      at += syscall_length;
      continue;
    }
    const auto i = d.decode(at, end);
    if (!i || !i->movable) return;  // `at` will not find it, and the site is left out
    const bool has_target = i->rip_relative || i->branches();
    rows.push_back({static_cast<std::uint32_t>(at - base_),
                    has_target ? static_cast<std::int32_t>(i->target - (at + i->length)) : 0, i->length,
                    static_cast<std::uint8_t>(i->kind), i->condition, i->displacement_at});
    at += i->length;
  }
}

std::optional<instruction> displaced_code::at(std::uintptr_t address) const {
  const auto offset = static_cast<std::uint32_t>(address - base_);
  const auto row = std::lower_bound(rows.begin(), rows.end(), offset, [](const displaced& r, std::uint32_t o) { return r.offset < o; });
  if (row == rows.end() || row->offset != offset) return std::nullopt;
  instruction i;
  i.length = row->length;
  i.kind = static_cast<flow>(row->kind);
  i.condition = row->condition;
  i.movable = true;
  i.displacement_at = row->displacement_at;
  i.rip_relative = row->displacement_at != 0;
  if (i.rip_relative || i.branches()) i.target = address + i.length + static_cast<std::uintptr_t>(std::intptr_t{row->distance});
  return i;
}

}  // namespace weft::patch
