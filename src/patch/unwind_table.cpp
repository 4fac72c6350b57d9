#include "patch/unwind_table.hpp"

#include <cstring>
#include <initializer_list>
#include <new>
#include <utility>

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

// What one trampoline's record takes at most: a head, some instructions for each row.
constexpr std::size_t record_head = 40, record_row = 20, most_record = 512;

class section {
public:
  section(unsigned char* at, std::size_t& used) noexcept : at_(at), used_(used) {}

  void bytes(std::initializer_list<int> list) noexcept {
    for (const int b : list) at_[used_++] = static_cast<unsigned char>(b);
  }
  template <class T>
  void word(T v) noexcept {
    std::memcpy(at_ + used_, &v, sizeof v);
    used_ += sizeof v;
  }
  std::size_t begin_record() noexcept {
    word(std::uint32_t{0});
    return used_;
  }
  void end_record(std::size_t began) noexcept {
    while (used_ % 8 != 4) at_[used_++] = 0;  // DW_CFA_nop, so that the next record's addresses are aligned
    const auto length = static_cast<std::uint32_t>(used_ - began);
    std::memcpy(at_ + began - 4, &length, sizeof length);
  }
  std::size_t size() const noexcept { return used_; }

private:
  unsigned char* at_;
  std::size_t& used_;
};

void write_cie(section& s) noexcept {
  const std::size_t began = s.begin_record();
  s.word(std::uint32_t{0});
  s.bytes({1, 'z', 'R', 'S', 0});  // version; S: a signal frame, so the caller's pc is looked up exactly
  s.bytes({1, 1, register_return_address});  // both alignment factors
  s.bytes({1, 0x00});                        // one byte of augmentation data: addresses are absolute
  s.bytes({cfa_def_cfa, register_rsp, 0});
  s.end_record(began);
}

void write_fde(section& s, const std::vector<unwind_row>& rows, std::uintptr_t end) noexcept {
  const std::size_t began = s.begin_record();
  s.word(static_cast<std::uint32_t>(s.size()));  // distance back to the CIE, which opens the section
  s.word(rows.front().at);
  s.word(end - rows.front().at);
  s.bytes({0});
  std::uintptr_t at = rows.front().at;
  std::uint8_t stepped = 0;
  for (const unwind_row& r : rows) {
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

unwind_table::unwind_table(std::size_t trampolines) noexcept {
  if (__register_frame == nullptr) return;
  room_ = sys::round_up(sizeof(published_table) + record_head + trampolines * most_record, sys::page_size);
  at_ = static_cast<unsigned char*>(sys::map(room_));
  if (at_ == nullptr) return;
  section s(at_ + sizeof(published_table), used_);
  write_cie(s);
}

unwind_table::unwind_table(unwind_table&& other) noexcept { *this = std::move(other); }

unwind_table& unwind_table::operator=(unwind_table&& other) noexcept {
  std::swap(at_, other.at_);
  std::swap(room_, other.room_);
  std::swap(used_, other.used_);
  return *this;
}

unwind_table::~unwind_table() {
  if (at_ != nullptr) sys::unmap(at_, room_);
}

void unwind_table::add(const std::vector<unwind_row>& rows, std::uintptr_t end) noexcept {
  const std::size_t most = record_head + rows.size() * record_row;
  constexpr std::size_t end_mark = sizeof(std::uint32_t);
  if (at_ == nullptr || rows.empty() || sizeof(published_table) + used_ + most + end_mark > room_) return;
  section s(at_ + sizeof(published_table), used_);
  write_fde(s, rows, end);
}

void unwind_table::publish() noexcept {
  if (at_ == nullptr) return;
  section s(at_ + sizeof(published_table), used_);
  s.word(std::uint32_t{0});
  const std::size_t kept_bytes = sys::round_up(sizeof(published_table) + used_, sys::page_size);
  if (kept_bytes < room_) sys::unmap(at_ + kept_bytes, room_ - kept_bytes);
  auto* const kept = new (at_) published_table{first_unwind_table, used_};
  at_ = nullptr;
  first_unwind_table = kept;
  __register_frame(kept + 1);
}

}  // namespace weft::patch
