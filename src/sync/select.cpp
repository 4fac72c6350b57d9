// What select needs besides channels: chance, and the checks on what it is given.
#include "weft/select.hpp"

namespace weft::detail {

std::size_t select_chance(std::size_t n) noexcept {
  // splitmix64 from a fixed start: fair over time, and a run can be repeated.
  thread_local std::uint64_t state = 0;
  std::uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (z ^ (z >> 31)) % n;
}

completion_view selectable(hub& h, completion_view what) {
  if (what.home != &h) throw wrong_hub("what is selected");
  if (what.fiber != nullptr && what.fiber == current_fiber()) throw self_join();
  return what;
}

}  // namespace weft::detail
