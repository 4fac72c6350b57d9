#include "inspect/expression.hpp"

#include <dwarf.h>
#include <vector>

namespace weft::inspect {
namespace {

// Two operands to one; nothing when the operation is another kind.
std::optional<std::uint64_t> combined(unsigned op, std::uint64_t a, std::uint64_t b) {
  switch (op) {
    case DW_OP_plus: return a + b;
    case DW_OP_minus: return a - b;
    case DW_OP_and: return a & b;
    case DW_OP_or: return a | b;
    case DW_OP_xor: return a ^ b;
    case DW_OP_mul: return a * b;
    case DW_OP_shl: return b < 64 ? a << b : 0;
    case DW_OP_shr: return b < 64 ? a >> b : 0;
    case DW_OP_ge: return static_cast<std::int64_t>(a) >= static_cast<std::int64_t>(b);
    case DW_OP_gt: return static_cast<std::int64_t>(a) > static_cast<std::int64_t>(b);
    case DW_OP_le: return static_cast<std::int64_t>(a) <= static_cast<std::int64_t>(b);
    case DW_OP_lt: return static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b);
    case DW_OP_eq: return a == b;
    case DW_OP_ne: return a != b;
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<evaluated> evaluate(const Dwarf_Op* ops, std::size_t count, const registers& r, std::optional<std::uint64_t> frame_address,
                                  memory& m) {
  std::vector<std::uint64_t> stack;
  bool is_value = false;
  for (std::size_t i = 0; i < count; ++i) {
    const Dwarf_Op& op = ops[i];
    const unsigned code = op.atom;
    if (code >= DW_OP_lit0 && code <= DW_OP_lit31) {
      stack.push_back(code - DW_OP_lit0);
    } else if (code >= DW_OP_breg0 && code <= DW_OP_breg31) {
      if (!r.has(code - DW_OP_breg0)) return std::nullopt;
      stack.push_back(r.value[code - DW_OP_breg0] + op.number);
    } else if (code >= DW_OP_reg0 && code <= DW_OP_reg31) {
      if (!r.has(code - DW_OP_reg0)) return std::nullopt;
      stack.push_back(r.value[code - DW_OP_reg0]);
      is_value = true;
    } else {
      switch (code) {
        case DW_OP_bregx:
          if (op.number >= registers::count || !r.has(static_cast<unsigned>(op.number))) return std::nullopt;
          stack.push_back(r.value[op.number] + op.number2);
          break;
        case DW_OP_call_frame_cfa:
          if (!frame_address) return std::nullopt;
          stack.push_back(*frame_address);
          break;
        case DW_OP_addr:
        case DW_OP_const1u: case DW_OP_const1s: case DW_OP_const2u: case DW_OP_const2s:
        case DW_OP_const4u: case DW_OP_const4s: case DW_OP_const8u: case DW_OP_const8s:
        case DW_OP_constu: case DW_OP_consts:
          stack.push_back(op.number);  // libdw has extended the sign
          break;
        case DW_OP_plus_uconst:
          if (stack.empty()) return std::nullopt;
          stack.back() += op.number;
          break;
        case DW_OP_dup:
          if (stack.empty()) return std::nullopt;
          stack.push_back(stack.back());
          break;
        case DW_OP_drop:
          if (stack.empty()) return std::nullopt;
          stack.pop_back();
          break;
        case DW_OP_deref: {
          if (stack.empty()) return std::nullopt;
          const auto there = m.get<std::uint64_t>(stack.back());
          if (!there) return std::nullopt;
          stack.back() = *there;
          break;
        }
        case DW_OP_stack_value:
          is_value = true;
          break;
        case DW_OP_nop:
          break;
        default: {
          if (stack.size() < 2) return std::nullopt;
          const auto v = combined(code, stack[stack.size() - 2], stack.back());
          if (!v) return std::nullopt;
          stack.pop_back();
          stack.back() = *v;
        }
      }
    }
  }
  if (stack.empty()) return std::nullopt;
  return evaluated{stack.back(), is_value};
}

}  // namespace weft::inspect
