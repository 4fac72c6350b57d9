// The addresses something may jump to, near the sites: the bytes a jump must not be laid across.
//
// Conservative on purpose: an address listed in error costs at most a less convenient window, a missing one crashes the
// program. Only targets close to a site are kept, or a scan of libc would spend its time sorting.
#pragma once

#include <cstdint>
#include <vector>

#include "patch/elf_image.hpp"

namespace weft::patch {

// How far in front of a site its number is looked for, and thus targets are kept.
inline constexpr std::size_t number_search_bytes = 128;

class target_set {
public:
  // `sites` are the addresses of possible syscall instructions in `text`.
  target_set(range text, const std::vector<std::uintptr_t>& sites);

  // Keeps whether anything jumps to or calls `address` too, which may be far from any site.
  void watch(std::uintptr_t address);

  void add(std::uintptr_t target) {
    if (near_site(target)) targets_.push_back(target);
  }

  // Adds what every call, jmp or jcc with a 32-bit distance would reach, taking each byte of the text for a possible
  // beginning of one: also finds those in functions that are not decoded.
  void add_all_rel32();

  // Adds the entries of a possible jump table: offsets from it, or addresses, up to the first that leaves the text.
  void add_offset_table(std::uintptr_t table, const range& readable);
  void add_address_table(std::uintptr_t table, const range& readable);

  void finish();  // sorts; `contains` is valid from here on
  bool contains(std::uintptr_t address) const;

private:
  bool near_site(std::uintptr_t a) const {
    if (!text_.holds(a)) return false;
    const std::size_t granule = (a - text_.begin) / granule_size;
    return (near_[granule / 8] >> granule % 8 & 1) != 0;
  }

  static constexpr std::size_t granule_size = 64;  // one bit each: libc's whole map stays in the first-level cache

  range text_;
  std::vector<std::uint8_t> near_;
  std::vector<std::uintptr_t> targets_;
};

}  // namespace weft::patch
