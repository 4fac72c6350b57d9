#include "patch/fde_table.hpp"

#include <cstring>

namespace weft::patch {
namespace {

// DW_EH_PE_ values of the Linux Standard Base, "DWARF Exception Header Encoding".
constexpr std::uint8_t pe_udata4 = 0x03, pe_sdata4 = 0x0b, pe_absptr = 0x00, pe_udata8 = 0x04, pe_sdata8 = 0x0c;
constexpr std::uint8_t pe_datarel = 0x30;

template <class T>
T read(std::uintptr_t at) {
  T v;
  std::memcpy(&v, reinterpret_cast<const void*>(at), sizeof v);
  return v;
}

std::uint64_t skip_leb(std::uintptr_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = read<std::uint8_t>(at++);
    if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return value;
  }
}

// How the FDEs of the CIE at `cie` encode addresses: the 'R' letter of its augmentation, DW_EH_PE_absptr without one.
std::uint8_t address_encoding(std::uintptr_t cie) {
  std::uintptr_t at = cie + 8;
  const auto version = read<std::uint8_t>(at++);
  const char* letters = reinterpret_cast<const char*>(at);
  at += std::strlen(letters) + 1;
  if (*letters != 'z') return pe_absptr;
  skip_leb(at);  // code alignment
  skip_leb(at);  // data alignment
  if (version == 1) ++at;
  else skip_leb(at);  // return address column
  skip_leb(at);       // length of the augmentation data
  for (++letters; *letters != 0; ++letters) {
    if (*letters == 'R') return read<std::uint8_t>(at);
    if (*letters == 'L') ++at;
    if (*letters == 'P') {
      const std::uint8_t enc = read<std::uint8_t>(at++) & 0x0f;
      at += enc == pe_udata4 || enc == pe_sdata4 ? 4 : 8;
    }
  }
  return pe_absptr;
}

}  // namespace

fde_table::fde_table(std::uintptr_t eh_frame_hdr, range text) : header_(eh_frame_hdr), text_(text) {
  if (eh_frame_hdr == 0) return;
  const auto version = read<std::uint8_t>(header_), count_encoding = read<std::uint8_t>(header_ + 2),
             table_encoding = read<std::uint8_t>(header_ + 3);
  const auto frame_encoding = read<std::uint8_t>(header_ + 1) & 0x0f;
  if (version != 1 || count_encoding != pe_udata4 || table_encoding != (pe_datarel | pe_sdata4)) return;
  if (frame_encoding != pe_sdata4 && frame_encoding != pe_udata4) return;  // the count would not be where it is read
  count_ = read<std::uint32_t>(header_ + 8);
  rows_ = reinterpret_cast<const std::int32_t*>(header_ + 12);
}

std::uintptr_t fde_table::start_of(std::size_t k) const { return header_ + static_cast<std::intptr_t>(rows_[2 * k]); }

std::uintptr_t fde_table::end_of(std::size_t k) const {
  const std::uintptr_t fde = header_ + static_cast<std::intptr_t>(rows_[2 * k + 1]);
  const std::uintptr_t cie = fde + 4 - read<std::uint32_t>(fde + 4);
  switch (address_encoding(cie) & 0x0f) {
    case pe_udata4:
    case pe_sdata4: return start_of(k) + read<std::uint32_t>(fde + 12);
    case pe_absptr:
    case pe_udata8:
    case pe_sdata8: return start_of(k) + read<std::uint64_t>(fde + 16);
    default: return start_of(k);
  }
}

std::optional<function_range> fde_table::find(std::uintptr_t address) const {
  std::size_t low = 0, high = count_;  // first row that starts after `address`
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (start_of(middle) <= address) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return std::nullopt;
  const bool last = low == count_;
  const std::uintptr_t begin = start_of(low - 1), end = end_of(low - 1), next = last ? text_.end : start_of(low);
  if (address < end) return function_range{begin, end, next < end ? end : next, true};
  // After the last function an old linker puts read-only data into the same segment: nothing says that this is code.
  if (last) return std::nullopt;
  return function_range{end, next, next, false};
}

}  // namespace weft::patch
