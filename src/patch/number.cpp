#include "patch/number.hpp"

namespace weft::patch {

std::int32_t number_at(const decoder& d, std::uintptr_t site, std::span<const step> before, const target_set& targets) {
  std::uintptr_t reached = site;
  for (std::size_t k = before.size(); k-- > 0;) {
    if (targets.contains(reached)) return -1;
    const step& s = before[k];
    if (site - s.at > number_search_bytes) return -1;
    switch (s.what.kind) {
      case flow::plain:
      case flow::padding:
      case flow::landing:
      case flow::branch: break;  // not taken, or we would not be here
      default: return -1;
    }
    const eax_write w = d.effect_on_eax(s.at, reached);
    if (w.effect == eax_effect::constant) return w.value < 0 ? -1 : w.value;
    if (w.effect != eax_effect::untouched) return -1;
    reached = s.at;
  }
  return -1;
}

}  // namespace weft::patch
