// Backtraces of stacks in another process, from copies of its memory.
//
// By call frame information where there is some, else by frame pointers. Knows what no table describes: the kernel's signal frames under
// any return stub, and Weft's trampolines.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "inspect/expression.hpp"
#include "inspect/images.hpp"
#include "inspect/memory.hpp"
#include "inspect/trampolines.hpp"

namespace weft::inspect {

struct frame {
  address pc;
  bool exact;  // not a return address: the innermost, or interrupted by a signal
  bool operator==(const frame&) const = default;
};

class unwinder {
public:
  unwinder(memory& m, images& i, trampolines t) : memory_(m), images_(i), trampolines_(std::move(t)) {}

  // The innermost frame first. `stack` bounds frame pointers; 0, 0: not known.
  std::vector<frame> walk(registers r, range stack, std::size_t most = 128);

private:
  enum class step { none, call, signal };

  step by_signal_frame(registers& r);
  step by_tables(registers& r, bool exact);
  step by_frame_pointer(registers& r, range stack);
  // A vDSO's or other code without tables: what its caller pushed lies on top of the stack.
  step by_top_of_stack(registers& r);

  struct rules;
  const rules* rules_at(address pc);

  memory& memory_;
  images& images_;
  trampolines trampolines_;
  struct rule {
    enum { same, undefined, offset, expression } what = same;
    std::int64_t from_cfa = 0;             // offset: it lies so far from the frame's address
    std::vector<Dwarf_Op> ops;
  };
  struct rules {
    bool good = false, signal = false;
    std::vector<Dwarf_Op> cfa;
    rule of[registers::count];
  };
  std::unordered_map<address, rules> known_;
};

}  // namespace weft::inspect
