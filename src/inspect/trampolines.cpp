#include "inspect/trampolines.hpp"

#include <algorithm>
#include <cstring>

namespace weft::inspect {
namespace {

// DWARF 5, table 7.29: those that unwind_table.cpp writes.
enum : unsigned char { cfa_nop = 0x00, cfa_advance_loc1 = 0x02, cfa_def_cfa_offset = 0x0e, cfa_val_expression = 0x16 };

constexpr std::uint64_t most_bytes = 64 << 20;
constexpr int most_tables = 65536;

template <class T>
T at(const std::vector<unsigned char>& bytes, std::size_t offset) {
  T value{};
  if (offset + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

// The instructions of one trampoline: [advance] [offset of the stack] (the original instruction), again and again.
void trampolines::read_entry(const std::vector<unsigned char>& entry) {
  constexpr std::size_t head = 4 + 8 + 8 + 1;  // distance to the CIE, begin, length, no augmentation data
  address begin = at<address>(entry, 4);
  const address end = begin + at<std::uint64_t>(entry, 12);
  std::uint64_t stepped = 0;
  for (std::size_t i = head; i < entry.size();) {
    switch (entry[i++]) {
      case cfa_advance_loc1:
        begin += at<std::uint8_t>(entry, i++);
        break;
      case cfa_def_cfa_offset:
        stepped = 0;
        for (unsigned shift = 0; i < entry.size(); shift += 7) {
          const unsigned char byte = entry[i++];
          stepped |= std::uint64_t{byte & 0x7fu} << shift;
          if ((byte & 0x80) == 0) break;
        }
        break;
      case cfa_val_expression:
        i += 3;  // register, length of the expression, DW_OP_addr
        if (!rows_.empty() && rows_.back().end == end && rows_.back().begin < begin) rows_.back().end = begin;
        rows_.push_back({begin, end, {at<address>(entry, i), stepped}});
        i += 8;
        break;
      case cfa_nop:
        break;
      default:
        return;
    }
  }
}

trampolines::trampolines(memory& m, const layout& l) {
  const std::uint32_t next = l["unwind_table.next"], size = l["unwind_table.bytes"], section = l["unwind_table:section"];
  address table = m.get_or<address>(l.root("unwind_tables"));
  for (int n = 0; table != 0 && n < most_tables; ++n, table = m.get_or<address>(table + next)) {
    const auto bytes = m.get_or<std::uint64_t>(table + size);
    if (bytes > most_bytes) break;
    std::vector<unsigned char> all(bytes);
    if (!m.read(table + section, all.data(), bytes)) break;
    bool first = true;  // the CIE
    for (std::size_t i = 0; i + 4 <= all.size();) {
      const auto length = at<std::uint32_t>(all, i);
      i += 4;
      if (length == 0 || length > all.size() - i) break;
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(i);
      if (!first) read_entry({from, from + static_cast<std::ptrdiff_t>(length)});
      first = false;
      i += length;
    }
  }
  std::sort(rows_.begin(), rows_.end(), [](const row& a, const row& b) { return a.begin < b.begin; });
}

std::optional<trampolines::origin> trampolines::origin_of(address pc) const {
  auto next = std::upper_bound(rows_.begin(), rows_.end(), pc, [](address a, const row& r) { return a < r.begin; });
  if (next == rows_.begin()) return std::nullopt;
  --next;
  if (pc >= next->end) return std::nullopt;
  return next->from;
}

}  // namespace weft::inspect
