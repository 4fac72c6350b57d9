// The instructions that the jumps displace, decoded once: with them stored, a later start needs no decoder.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "patch/decoder.hpp"
#include "patch/site.hpp"

namespace weft::patch {

struct displaced {
  std::uint32_t offset;    // from the object's base
  std::int32_t distance;   // from its end to its target; 0 when it has none
  std::uint8_t length;
  std::uint8_t kind;       // flow
  std::uint8_t condition;
  std::uint8_t displacement_at;  // of a rip-relative operand, else 0

  friend bool operator==(const displaced&, const displaced&) = default;
};
static_assert(sizeof(displaced) == 12);

class displaced_code {
public:
  displaced_code() = default;
  explicit displaced_code(std::uintptr_t base) : base_(base) {}

  // Decodes what the jump over `s` displaces; sites come by ascending offset.
  void add(const decoder& d, const site& s);

  // The instruction at `address`; nullopt for one that is not displaced, or cannot be moved.
  std::optional<instruction> at(std::uintptr_t address) const;

  std::vector<displaced> rows;  // ascending

private:
  std::uintptr_t base_ = 0;
};

}  // namespace weft::patch
