#include "patch/unwind_table.hpp"

#include <cstring>

#include "sys/mem.hpp"

// libgcc's; a C++ run-time without it (LLVM's libunwind takes single entries under this name) is not what Weft links.
extern "C" void __register_frame(void* section) __attribute__((weak));

namespace weft::patch {
namespace {

// DWARF 5, table 7.29, and section 7.7.1.
enum : std::uint8_t {
  cfa_advance_loc1 = 0x02,
  cfa_def_cfa = 0x0c,
  cfa_def_cfa_offset = 0x0e,
  cfa_val_expression = 0x16,
  op_addr = 0x03,
  register_rsp = 7,
  register_return_address = 16,
};

class section {
public:
  explicit section(std::vector<std::uint8_t>& out) : out_(out) {}

  void bytes(std::initializer_list<int> list) {
    for (const int b : list) out_.push_back(static_cast<std::uint8_t>(b));
  }
  template <class T>
  void word(T v) {
    const auto* b = reinterpret_cast<const std::uint8_t*>(&v);
    out_.insert(out_.end(), b, b + sizeof v);
  }
  std::size_t begin_record() {
    word(std::uint32_t{0});
    return out_.size();
  }
  void end_record(std::size_t began) {
    while (out_.size() % 8 != 4) out_.push_back(0);  // DW_CFA_nop, so that the next record's addresses are aligned
    const auto length = static_cast<std::uint32_t>(out_.size() - began);
    std::memcpy(&out_[began - 4], &length, sizeof length);
  }
  std::size_t size() const { return out_.size(); }

private:
  std::vector<std::uint8_t>& out_;
};

void write_cie(section& s) {
  const std::size_t began = s.begin_record();
  s.word(std::uint32_t{0});
  s.bytes({1, 'z', 'R', 'S', 0});  // version; S: a signal frame, so the caller's pc is looked up exactly
  s.bytes({1, 1, register_return_address});  // both alignment factors
  s.bytes({1, 0x00});                        // one byte of augmentation data: addresses are absolute
  s.bytes({cfa_def_cfa, register_rsp, 0});
  s.end_record(began);
}

void write_fde(section& s, const unwind_entry& e) {
  const std::size_t began = s.begin_record();
  s.word(static_cast<std::uint32_t>(s.size()));  // distance back to the CIE, which opens the section
  s.word(e.rows.front().at);
  s.word(e.end - e.rows.front().at);
  s.bytes({0});
  std::uintptr_t at = e.rows.front().at;
  std::uint8_t stepped = 0;
  for (const unwind_row& r : e.rows) {
    if (r.at != at) s.bytes({cfa_advance_loc1, static_cast<int>(r.at - at)});
    at = r.at;
    if (r.stepped != stepped) s.bytes({cfa_def_cfa_offset, (r.stepped & 0x7f) | (r.stepped >= 0x80 ? 0x80 : 0)});
    if (r.stepped != stepped && r.stepped >= 0x80) s.bytes({r.stepped >> 7});  // the number's second group of seven bits
    stepped = r.stepped;
    s.bytes({cfa_val_expression, register_return_address, 9, op_addr});
    s.word(r.original);
  }
  s.end_record(began);
}

}  // namespace

published_table* first_unwind_table = nullptr;

bool publish_unwind_table(const std::vector<unwind_entry>& entries) {
  if (entries.empty() || __register_frame == nullptr) return true;
  std::vector<std::uint8_t> bytes;
  section s(bytes);
  write_cie(s);
  for (const unwind_entry& e : entries) write_fde(s, e);
  s.word(std::uint32_t{0});
  auto* const kept = static_cast<published_table*>(sys::map(sys::round_up(sizeof(published_table) + bytes.size(), sys::page_size)));
  if (kept == nullptr) return false;
  sys::copy(kept + 1, bytes.data(), bytes.size());
  *kept = {first_unwind_table, bytes.size()};
  first_unwind_table = kept;
  __register_frame(kept + 1);
  return true;
}

}  // namespace weft::patch
