#include "inspect/images.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <fcntl.h>
#include <memory>
#include <set>
#include <unistd.h>

namespace weft::inspect {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

const Dwfl_Callbacks& callbacks() {
  static char* paths = nullptr;  // the standard places
  static const Dwfl_Callbacks all = [] {
    Dwfl_Callbacks c{};
    c.find_elf = dwfl_build_id_find_elf;
    c.find_debuginfo = dwfl_standard_find_debuginfo;
    c.debuginfo_path = &paths;
    return c;
  }();
  return all;
}

}  // namespace

images::images(const process& p) : process_(p) {
  unsetenv("DEBUGINFOD_URLS");
  dwfl_ = dwfl_begin(&callbacks());
  if (dwfl_ == nullptr) throw failure(std::string("libdw: ") + dwfl_errmsg(-1));
  dwfl_report_begin(dwfl_);
  std::set<std::string> seen;
  const mapping* first = nullptr;  // of the file at hand: where it is mapped from its beginning
  for (const mapping& m : p.mappings()) {
    if (!m.path.starts_with("/")) continue;
    if (m.offset == 0) first = &m;
    if (!m.executable || first == nullptr || first->path != m.path || !seen.insert(m.path).second) continue;
    int fd = open(p.outside(m.path).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {  // deleted or replaced since: the kernel still has it, for root
      char name[64];
      std::snprintf(name, sizeof name, "map_files/%lx-%lx", first->begin, first->end);
      fd = open(p.proc(name).c_str(), O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) continue;
    if (dwfl_report_elf(dwfl_, m.path.c_str(), m.path.c_str(), fd, first->begin, false) == nullptr) close(fd);
  }
  dwfl_report_end(dwfl_, nullptr, nullptr);
}

images::~images() { dwfl_end(dwfl_); }

Dwfl_Module* images::module_of(address pc) { return dwfl_addrmodule(dwfl_, pc); }

place images::look_up(address pc) {
  place out;
  const mapping* m = process_.mapping_of(pc);
  if (m != nullptr) {
    out.module = m->path;
    out.module_offset = pc - m->begin + m->offset;
  }
  Dwfl_Module* module = module_of(pc);
  if (module == nullptr) return out;
  GElf_Sym symbol{};
  GElf_Off offset = 0;
  if (const char* name = dwfl_module_addrinfo(module, pc, &offset, &symbol, nullptr, nullptr, nullptr)) {
    // Without a full symbol table the nearest name may be that of another function, far below.
    if (symbol.st_size == 0 ? offset < 4096 : offset < symbol.st_size) {
      out.function = demangled(name);
      out.offset = offset;
    }
  }
  if (Dwfl_Line* line = dwfl_module_getsrc(module, pc)) {
    int number = 0;
    if (const char* file = dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr); file != nullptr && number > 0) {
      out.file = file;
      out.line = number;
    }
  }
  return out;
}

const place& images::place_of(address pc, bool exact) {
  const address at = exact ? pc : pc - 1;
  const auto known = known_.find(at);
  return known != known_.end() ? known->second : known_.emplace(at, look_up(at)).first->second;
}

}  // namespace weft::inspect
