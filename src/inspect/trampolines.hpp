// Weft's trampolines in a process: which instruction of the original code each address in one stands for.
//
// A thread that sleeps in a system call which was passed on to the kernel stands in one. They are described to the process's own unwinder
// in .eh_frame sections that lie in memory (src/patch/unwind_table.cpp), of which this reads just what is written there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "inspect/layout.hpp"
#include "inspect/memory.hpp"

namespace weft::inspect {

class trampolines {
public:
  trampolines() = default;
  trampolines(memory& m, const layout& l);

  struct origin {
    address pc;
    std::uint64_t stepped;  // how far the stack pointer was moved down
  };
  std::optional<origin> origin_of(address pc) const;

private:
  struct row {
    address begin, end;
    origin from;
  };
  void read_entry(const std::vector<unsigned char>& entry);

  std::vector<row> rows_;
};

}  // namespace weft::inspect
