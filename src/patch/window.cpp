#include "patch/window.hpp"

namespace weft::patch {
namespace {

// The first obstacle met is the reason given when nothing else works out either.
struct verdict_so_far {
  site_state obstacle = site_state::no_room;
  void met(site_state s) {
    if (obstacle == site_state::no_room) obstacle = s;
  }
};

// How many bytes behind the site can be displaced, stopping once `wanted` are reached.
std::uint8_t room_after(std::span<const step> after, const target_set& targets, std::uint8_t wanted, verdict_so_far& why) {
  std::uint8_t got = 0;
  bool only_padding = false;
  for (const step& s : after) {
    if (got >= wanted) break;
    if (only_padding && s.what.kind != flow::padding) break;
    if (targets.contains(s.at)) {
      why.met(site_state::branch_inside);
      break;
    }
    if (!s.what.movable) {
      if (s.what.kind == flow::branch) why.met(site_state::immovable);
      break;
    }
    if (s.what.ends_flow()) only_padding = true;
    got = static_cast<std::uint8_t>(got + s.what.length);
  }
  return got;
}

std::uint8_t room_before(std::uintptr_t site, std::span<const step> before, const target_set& targets,
                         std::uintptr_t taken, std::uint8_t wanted, verdict_so_far& why) {
  std::uint8_t got = 0;
  for (std::size_t k = before.size(); k-- > 0 && got < wanted;) {
    // What would no longer be the window's first instruction must not be a target.
    if (targets.contains(site - got)) {
      why.met(site_state::branch_inside);
      break;
    }
    const step& s = before[k];
    if (s.at < taken) {
      why.met(site_state::overlap);
      break;
    }
    if (!s.what.movable || (s.what.kind != flow::plain && s.what.kind != flow::padding)) break;
    got = static_cast<std::uint8_t>(got + s.what.length);
  }
  return got;
}

}  // namespace

window choose_window(std::uintptr_t site, std::span<const step> before, std::span<const step> after,
                     const target_set& targets, std::uintptr_t taken) {
  constexpr std::uint8_t needed = jump_length - syscall_length;
  if (site < taken) return {0, 0, site_state::overlap};
  verdict_so_far why;
  const std::uint8_t behind = room_after(after, targets, needed, why);
  if (behind >= needed) return {0, behind, site_state::patchable};
  const std::uint8_t ahead = room_before(site, before, targets, taken, needed, why);
  if (ahead >= needed) return {ahead, 0, site_state::patchable};
  if (ahead + behind >= needed) return {ahead, behind, site_state::patchable};
  return {0, 0, why.obstacle};
}

}  // namespace weft::patch
