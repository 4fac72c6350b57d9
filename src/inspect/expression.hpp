// Values of DWARF expressions as call frame information has them: sums of registers, contents of memory, a little arithmetic.
#pragma once

#include <cstdint>
#include <elfutils/libdw.h>
#include <optional>

#include "inspect/memory.hpp"

namespace weft::inspect {

// General registers by their DWARF numbers (System V ABI for x86-64, figure 3.36): 6 rbp, 7 rsp, 16 the program counter.
struct registers {
  static constexpr unsigned rbx = 3, rbp = 6, rsp = 7, pc = 16, count = 17;

  std::uint64_t value[count] = {};
  std::uint32_t known = 0;  // a bit each

  bool has(unsigned r) const { return r < count && (known >> r & 1) != 0; }
  void set(unsigned r, std::uint64_t v) {
    value[r] = v;
    known |= 1u << r;
  }
};

struct evaluated {
  std::uint64_t value;
  bool is_value;  // DW_OP_stack_value: the value itself, not where it lies
};

// Nothing when a register is not known, memory is not there, or the expression is out of the ordinary.
std::optional<evaluated> evaluate(const Dwarf_Op* ops, std::size_t count, const registers& r, std::optional<std::uint64_t> frame_address,
                                  memory& m);

}  // namespace weft::inspect
