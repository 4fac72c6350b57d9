#include "inspect/layout.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>

#include "inspect/debug_layout.hpp"

namespace weft::inspect {
namespace {

constexpr std::string_view symbol_name = "weft_debug_layout";

std::uint32_t gnu_hash(std::string_view name) {
  std::uint32_t h = 5381;
  for (const unsigned char c : name) h = h * 33 + c;
  return h;
}

struct dynamic_part {
  address symbols = 0, strings = 0, hash = 0;
};

dynamic_part dynamic_of(memory& m, address base) {
  dynamic_part d;
  const auto header = m.get<Elf64_Ehdr>(base);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phentsize != sizeof(Elf64_Phdr)) return d;
  address bias = base, at = 0;
  bool first = true;
  for (int i = 0; i < header->e_phnum; ++i) {
    const auto p = m.get_or<Elf64_Phdr>(base + header->e_phoff + static_cast<unsigned>(i) * sizeof(Elf64_Phdr));
    if (p.p_type == PT_LOAD && first) {
      bias = base - (p.p_vaddr & ~address{memory::page_size - 1});
      first = false;
    }
    if (p.p_type == PT_DYNAMIC) at = p.p_vaddr;
  }
  if (at == 0) return d;
  // The loader turns offsets into addresses in place, where it may write.
  const auto absolute = [&](address a) { return a < bias ? a + bias : a; };
  for (at += bias;; at += sizeof(Elf64_Dyn)) {
    const auto entry = m.get_or<Elf64_Dyn>(at);
    if (entry.d_tag == DT_NULL) return d;
    if (entry.d_tag == DT_SYMTAB) d.symbols = absolute(entry.d_un.d_ptr);
    if (entry.d_tag == DT_STRTAB) d.strings = absolute(entry.d_un.d_ptr);
    if (entry.d_tag == DT_GNU_HASH) d.hash = absolute(entry.d_un.d_ptr);
  }
}

}  // namespace

address exported_symbol(memory& m, address base, std::string_view name) {
  const dynamic_part d = dynamic_of(m, base);
  if (d.symbols == 0 || d.strings == 0 || d.hash == 0) return 0;
  struct {
    std::uint32_t buckets, first_symbol, bloom_words, bloom_shift;
  } table{};
  if (!m.read(d.hash, &table, sizeof table) || table.buckets == 0) return 0;
  const address buckets = d.hash + sizeof table + table.bloom_words * 8ul, chains = buckets + table.buckets * 4ul;
  const std::uint32_t hash = gnu_hash(name);
  auto index = m.get_or<std::uint32_t>(buckets + hash % table.buckets * 4ul);
  if (index < table.first_symbol) return 0;
  const auto header_base = base;
  for (;; ++index) {
    const auto there = m.get<std::uint32_t>(chains + (index - table.first_symbol) * 4ul);
    if (!there) return 0;
    if ((*there | 1) == (hash | 1)) {
      const auto symbol = m.get_or<Elf64_Sym>(d.symbols + index * sizeof(Elf64_Sym));
      if (symbol.st_shndx != SHN_UNDEF && m.text(d.strings + symbol.st_name, name.size() + 1) == name) {
        const auto header = m.get_or<Elf64_Ehdr>(header_base);
        return header.e_type == ET_EXEC ? symbol.st_value : header_base + symbol.st_value;
      }
    }
    if ((*there & 1) != 0) return 0;
  }
}

layout::layout(const process& p, memory& m) {
  // Where each file is mapped from its beginning; libweft.so first, then whatever else may contain Weft.
  std::vector<const mapping*> files;
  for (const mapping& each : p.mappings())
    if (each.offset == 0 && each.path.starts_with("/")) files.push_back(&each);
  std::stable_sort(files.begin(), files.end(), [](const mapping* a, const mapping* b) {
    return a->path.find("/libweft.so") != std::string::npos && b->path.find("/libweft.so") == std::string::npos;
  });
  address at = 0;
  for (const mapping* f : files) {
    if ((at = exported_symbol(m, f->begin, symbol_name)) == 0) continue;
    library_ = f->path;
    break;
  }
  if (m.refused() != 0) p.refuse(m.refused());
  const std::string who = "process " + std::to_string(p.pid()) + " (" + p.name() + ")";
  if (at == 0)
    throw failure(who + " does not run under Weft: there is no libweft.so in it (`weft run -- PROGRAM` starts a program so, " +
                  "`weft explain PROGRAM` says whether that can be)");
  const auto header = m.get_or<layout_header>(at);
  if (std::memcmp(header.magic, layout_magic, sizeof layout_magic) != 0 || header.version != layout_version ||
      header.number_size < sizeof(layout_number) || header.root_size < sizeof(layout_root))
    throw failure(who + " runs with another release of Weft, which this command does not understand: use that one's (" + library_ + ")");
  for (std::uint32_t i = 0; i < header.number_count; ++i) {
    auto n = m.get_or<layout_number>(at + header.numbers_at + i * header.number_size);
    n.name[sizeof n.name - 1] = 0;
    numbers_[n.name] = n.value;
  }
  for (std::uint32_t i = 0; i < header.root_count; ++i) {
    auto r = m.get_or<layout_root>(at + header.roots_at + i * header.root_size);
    r.name[sizeof r.name - 1] = 0;
    roots_[r.name] = reinterpret_cast<address>(r.address);
  }
}

std::uint32_t layout::operator[](std::string_view name) const {
  const auto at = numbers_.find(std::string(name));
  if (at == numbers_.end())
    throw failure("the Weft in this process does not tell of " + std::string(name) + ": it is older than this command");
  return at->second;
}

address layout::root(std::string_view name) const {
  const auto at = roots_.find(std::string(name));
  return at == roots_.end() ? 0 : at->second;
}

}  // namespace weft::inspect
