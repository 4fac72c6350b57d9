// The programs and libraries that are mapped in a process: names and lines of addresses, and how to unwind from them.
//
// Relies on elfutils' libdw: symbol tables, DWARF and CFI come from the files, as the process sees them (/proc/PID/root), and from
// separate debugging information beside them (/usr/lib/debug, by build-id). Never asks the network (debuginfod).
#pragma once

#include <cstdint>
#include <elfutils/libdwfl.h>
#include <string>
#include <unordered_map>
#include <vector>

#include "inspect/process.hpp"

namespace weft::inspect {

// What is known of an address of code.
struct place {
  std::string function;   // demangled; empty: not known
  std::uint64_t offset = 0;
  std::string file;       // empty: no line information
  int line = 0;
  std::string module;     // path of the program or library; "[vdso]" and its like; empty: none
  std::uint64_t module_offset = 0;
  bool inlined = false;   // into the next one of places_of
};

class images {
public:
  explicit images(const process& p);
  ~images();
  images(const images&) = delete;
  images& operator=(const images&) = delete;

  // `exact`: the address of an instruction about to run; else a return address, which may already belong to the next line.
  // The function there, and before it those that the compiler has made a part of it there, innermost first. Never empty.
  const std::vector<place>& places_of(address pc, bool exact);
  Dwfl_Module* module_of(address pc);

private:
  place look_up(address pc);
  std::vector<place> with_inlined(address pc);

  const process& process_;
  Dwfl* dwfl_ = nullptr;
  std::unordered_map<address, std::vector<place>> known_;
};

}  // namespace weft::inspect
