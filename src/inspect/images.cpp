#include "inspect/images.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <dwarf.h>
#include <fcntl.h>
#include <memory>
#include <set>
#include <unistd.h>

namespace weft::inspect {
namespace {

// Without the version behind the name, as in "fopen@GLIBC_2.2.5".
std::string demangled(const std::string& symbol) {
  const std::string name = symbol.substr(0, symbol.find('@'));
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
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

struct scope_list {
  scope_list(Dwarf_Die* unit, Dwarf_Addr pc) { count = dwarf_getscopes(unit, pc, &scopes); }
  explicit scope_list(Dwarf_Die& innermost) { count = dwarf_getscopes_die(&innermost, &scopes); }
  ~scope_list() { std::free(scopes); }
  scope_list(const scope_list&) = delete;
  scope_list& operator=(const scope_list&) = delete;

  Dwarf_Die* scopes = nullptr;
  int count;
};

// Of a function that was inlined, by what was compiled of it elsewhere.
std::string name_of(Dwarf_Die& die) {
  Dwarf_Attribute attribute;
  for (const unsigned name : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name})
    if (const char* linked = dwarf_formstring(dwarf_attr_integrate(&die, name, &attribute))) return demangled(linked);
  const char* plain = dwarf_diename(&die);
  if (plain == nullptr) return {};
  // Its namespaces and classes stand around its declaration.
  Dwarf_Die declared = die, next;
  for (const unsigned link : {DW_AT_abstract_origin, DW_AT_specification}) {
    Dwarf_Attribute* to = dwarf_attr(&declared, link, &attribute);
    if (to != nullptr && dwarf_formref_die(to, &next) != nullptr) declared = next;
  }
  std::string out = plain;
  const scope_list around(declared);
  for (int i = 1; i < around.count; ++i) {
    const int tag = dwarf_tag(&around.scopes[i]);
    if (tag == DW_TAG_subprogram) return name_of(around.scopes[i]) + "::" + out;
    if (tag != DW_TAG_namespace && tag != DW_TAG_structure_type && tag != DW_TAG_class_type) continue;
    const char* outer = dwarf_diename(&around.scopes[i]);
    out = (outer != nullptr ? outer : tag == DW_TAG_namespace ? "(anonymous namespace)" : "<lambda>") + ("::" + out);
  }
  return out;
}

std::size_t number_of(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  return dwarf_formudata(dwarf_attr(&die, name, &attribute), &value) == 0 ? value : 0;
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

// As addr2line -i does: the scopes at the address lead to the innermost one, and the scopes of that one are nested as they lie in the code.
std::vector<place> images::with_inlined(address pc) {
  place innermost = look_up(pc);
  std::vector<place> out;
  Dwarf_Addr bias = 0;
  Dwfl_Module* module = module_of(pc);
  Dwarf_Die* unit = module != nullptr ? dwfl_module_addrdie(module, pc, &bias) : nullptr;
  Dwarf_Files* files = nullptr;
  std::size_t file_count = 0;
  if (unit == nullptr || innermost.file.empty() || dwarf_getsrcfiles(unit, &files, &file_count) != 0) return {innermost};
  scope_list at(unit, pc - bias);
  if (at.count <= 0) return {innermost};
  const scope_list around(at.scopes[0]);
  for (int i = 0; i < around.count; ++i) {
    Dwarf_Die& scope = around.scopes[i];
    if (dwarf_tag(&scope) != DW_TAG_inlined_subroutine) continue;
    place one = innermost;
    one.function = name_of(scope);
    one.offset = 0;
    one.inlined = true;
    out.push_back(std::move(one));
    // Where it was called: where the function around it stands.
    const char* file = dwarf_filesrc(files, number_of(scope, DW_AT_call_file), nullptr, nullptr);
    innermost.file = file != nullptr ? file : "";
    innermost.line = static_cast<int>(number_of(scope, DW_AT_call_line));
  }
  // What libc's functions consist of is nobody's concern.
  if (innermost.module.find("/libc.so.") != std::string::npos) out.clear();
  out.push_back(std::move(innermost));
  return out;
}

const std::vector<place>& images::places_of(address pc, bool exact) {
  const address at = exact ? pc : pc - 1;
  const auto known = known_.find(at);
  return known != known_.end() ? known->second : known_.emplace(at, with_inlined(at)).first->second;
}

}  // namespace weft::inspect
