#include "patch/targets.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>

namespace weft::patch {
namespace {

// No window reaches further than 19 bytes from its site; the search for the number looks further back.
constexpr std::size_t reach_back = number_search_bytes, reach_ahead = 32;
constexpr std::size_t most_table_rows = 4096;  // a larger switch is not in a function that makes system calls

template <class T>
T read(std::uintptr_t at) {
  T v;
  std::memcpy(&v, reinterpret_cast<const void*>(at), sizeof v);
  return v;
}

}  // namespace

target_set::target_set(range text, const std::vector<std::uintptr_t>& sites)
    : text_(text), near_(text.size() / granule_size / 8 + 1) {
  const auto mark = [&](std::uintptr_t a) {
    const std::size_t granule = (std::clamp(a, text.begin, text.end - 1) - text.begin) / granule_size;
    near_[granule / 8] |= static_cast<std::uint8_t>(1u << granule % 8);
  };
  for (const std::uintptr_t s : sites) {
    for (std::uintptr_t a = s - reach_back; a < s + reach_ahead; a += granule_size) mark(a);
    mark(s + reach_ahead);
  }
}

void target_set::watch(std::uintptr_t address) {
  if (!text_.holds(address)) return;
  const std::size_t granule = (address - text_.begin) / granule_size;
  near_[granule / 8] |= static_cast<std::uint8_t>(1u << granule % 8);
}

void target_set::add_all_rel32() {
  const auto distance_at = [&](std::uintptr_t at) {
    if (at + 4 > text_.end) return;
    add(at + 4 + static_cast<std::uintptr_t>(std::intptr_t{read<std::int32_t>(at)}));
  };
  const auto opcode_at = [&](std::uintptr_t at) {
    const auto byte = read<std::uint8_t>(at);
    if ((byte & 0xfe) == 0xe8) distance_at(at + 1);
    if ((byte & 0xf0) == 0x80 && at > text_.begin && read<std::uint8_t>(at - 1) == 0x0f) distance_at(at + 1);
  };
  // Sixteen bytes at a time: e8 and e9 are call and jmp, 0f 80 to 0f 8f the conditional jumps.
  const __m128i fe = _mm_set1_epi8(static_cast<char>(0xfe)), e8 = _mm_set1_epi8(static_cast<char>(0xe8));
  const __m128i f0 = _mm_set1_epi8(static_cast<char>(0xf0)), high8 = _mm_set1_epi8(static_cast<char>(0x80));
  const __m128i escape = _mm_set1_epi8(0x0f);
  std::uintptr_t at = text_.begin;
  if (at < text_.end) opcode_at(at++);
  for (; at + 16 <= text_.end; at += 16) {
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i previous = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at - 1));
    const __m128i near_jump = _mm_cmpeq_epi8(_mm_and_si128(here, fe), e8);
    const __m128i jcc = _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(here, f0), high8), _mm_cmpeq_epi8(previous, escape));
    for (auto bits = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(near_jump, jcc))); bits != 0; bits &= bits - 1)
      distance_at(at + static_cast<unsigned>(__builtin_ctz(bits)) + 1);
  }
  for (; at < text_.end; ++at) opcode_at(at);
}

void target_set::add_offset_table(std::uintptr_t table, const range& readable) {
  for (std::size_t k = 0; k < most_table_rows && table + 4 * k + 4 <= readable.end; ++k) {
    const std::uintptr_t target = table + static_cast<std::uintptr_t>(std::intptr_t{read<std::int32_t>(table + 4 * k)});
    if (!text_.holds(target)) return;
    add(target);
  }
}

void target_set::add_address_table(std::uintptr_t table, const range& readable) {
  for (std::size_t k = 0; k < most_table_rows && table + 8 * k + 8 <= readable.end; ++k) {
    const auto target = read<std::uintptr_t>(table + 8 * k);
    if (!text_.holds(target)) return;
    add(target);
  }
}

void target_set::finish() {
  std::sort(targets_.begin(), targets_.end());
  targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
}

bool target_set::contains(std::uintptr_t address) const {
  return std::binary_search(targets_.begin(), targets_.end(), address);
}

}  // namespace weft::patch
