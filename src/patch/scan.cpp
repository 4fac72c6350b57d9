#include "patch/scan.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>

#include "patch/number.hpp"
#include "patch/vector_use.hpp"
#include "patch/window.hpp"

namespace weft::patch {
namespace {

using addresses = std::vector<std::uintptr_t>;

bool is_syscall(std::uintptr_t at) {
  const auto* b = reinterpret_cast<const std::uint8_t*>(at);
  return b[0] == 0x0f && b[1] == 0x05;
}

// Every place where the bytes of a syscall stand, sixteen looked at together.
addresses find_candidates(range text) {
  addresses found;
  const __m128i first = _mm_set1_epi8(0x0f), second = _mm_set1_epi8(0x05);
  std::uintptr_t at = text.begin;
  for (; at + 17 <= text.end; at += 16) {
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 1));
    auto bits = static_cast<unsigned>(
        _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(here, first), _mm_cmpeq_epi8(next, second))));
    for (; bits != 0; bits &= bits - 1) found.push_back(at + static_cast<unsigned>(__builtin_ctz(bits)));
  }
  for (; at + 2 <= text.end; ++at)
    if (is_syscall(at)) found.push_back(at);
  return found;
}

// mov $15, %rax; syscall and mov $15, %eax; syscall.
bool is_signal_return(std::uintptr_t site, range text) {
  const auto* b = reinterpret_cast<const std::uint8_t*>(site);
  static constexpr std::uint8_t wide[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0}, narrow[] = {0xb8, 15, 0, 0, 0};
  return (site - text.begin >= sizeof wide && std::memcmp(b - sizeof wide, wide, sizeof wide) == 0) ||
         (site - text.begin >= sizeof narrow && std::memcmp(b - sizeof narrow, narrow, sizeof narrow) == 0);
}

// A site with the instructions around it, kept as a slice of one list of steps.
struct found_site {
  std::uintptr_t at;
  site_state state;
  std::size_t first, self, last;
  vector_use vectors = vector_use::possible;
  std::uintptr_t function = 0;
};

// Whether a jump with an 8-bit distance outside [begin, end) would reach `begin`: the neighbours' tail calls.
bool short_jump_to(std::uintptr_t begin, std::uintptr_t end, range text) {
  const std::uintptr_t first = std::max(text.begin, begin - 129), last = std::min(text.end, begin + 127);
  for (std::uintptr_t at = first; at + 2 <= last; ++at) {
    if (at >= begin && at < end) continue;
    const auto* b = reinterpret_cast<const std::uint8_t*>(at);
    if (b[0] != 0xeb && (b[0] & 0xf0) != 0x70 && (b[0] & 0xfc) != 0xe0) continue;
    if (at + 2 + static_cast<std::uintptr_t>(std::intptr_t{static_cast<std::int8_t>(b[1])}) == begin) return true;
  }
  return false;
}

class scanner {
public:
  scanner(const decoder& d, const code& c, const addresses& candidates)
      : decoder_(d), code_(c), candidates_(candidates), targets_(c.text, candidates), judge_(d, c.function_at) {}

  site_table run() {
    for (std::size_t k = 0; k < candidates_.size();) k = one_function(k);
    targets_.add_all_rel32();
    targets_.finish();
    return decide();
  }

private:
  // Decodes the function that holds candidate `k`; returns the first candidate behind it.
  std::size_t one_function(std::size_t k) {
    const auto f = code_.function_at(candidates_[k]);
    if (!f) {
      sites_.push_back({candidates_[k], site_state::no_function, 0, 0, 0, vector_use::possible, 0});
      return k + 1;
    }
    sweep(*f);
    for (; k < candidates_.size() && candidates_[k] < f->end; ++k) keep_surroundings(*f, candidates_[k]);
    return k;
  }

  void sweep(const function_range& f) {
    steps_.clear();
    undecodable_ = f.end;
    bool jumps_anywhere = false;
    for (std::uintptr_t at = f.begin; at < f.end;) {
      const auto i = decoder_.decode(at, f.end);
      if (!i) {
        undecodable_ = std::min(undecodable_, at);
        ++at;
        continue;
      }
      steps_.push_back({at, *i});
      if (i->branches()) targets_.add(i->target);
      jumps_anywhere |= i->kind == flow::jump_indirect;
      at += i->length;
    }
    if (jumps_anywhere) add_jump_tables();
    // The padding up to the next function serves as room.
    for (std::uintptr_t at = f.end; at < f.limit && at < f.end + 16;) {
      const auto i = decoder_.decode(at, f.limit);
      if (!i || i->kind != flow::padding) break;
      steps_.push_back({at, *i});
      at += i->length;
    }
  }

  void add_jump_tables() {
    for (const step& s : steps_) {
      if (s.what.table == table_form::none) continue;
      for (const range& r : code_.readable) {
        if (!r.holds(s.what.target)) continue;
        if (s.what.table == table_form::offsets) targets_.add_offset_table(s.what.target, r);
        else targets_.add_address_table(s.what.target, r);
      }
    }
  }

  void keep_surroundings(const function_range& f, std::uintptr_t candidate) {
    const auto here = std::lower_bound(steps_.begin(), steps_.end(), candidate,
                                       [](const step& s, std::uintptr_t a) { return s.at < a; });
    const bool is_instruction = here != steps_.end() && here->at == candidate && here->what.kind == flow::system_call;
    if (undecodable_ < candidate) {
      // Out of step with the real instructions, perhaps: report it as a site that cannot be had, only in known code.
      if (is_instruction && f.listed) sites_.push_back({candidate, site_state::undecodable, 0, 0, 0, vector_use::possible, 0});
      return;
    }
    if (!is_instruction) return;
    auto first = here, last = here + 1;
    while (first != steps_.begin() && candidate - (first - 1)->at <= number_search_bytes) --first;
    while (last != steps_.end() && last->at < candidate + 16 && (last - 1)->at + (last - 1)->what.length == last->at) ++last;
    const std::size_t base = kept_.size();
    kept_.insert(kept_.end(), first, last);
    vector_use vectors = judge_.at_site(f, steps_, candidate);
    if (vectors == vector_use::unless_called) {
      if (short_jump_to(f.begin, f.end, code_.text)) vectors = vector_use::possible;
      else targets_.watch(f.begin);
    }
    sites_.push_back({candidate, is_signal_return(candidate, code_.text) ? site_state::signal_return : site_state::patchable, base,
                      base + static_cast<std::size_t>(here - first), base + static_cast<std::size_t>(last - first), vectors, f.begin});
  }

  site_table decide() const {
    site_table table;
    std::uintptr_t taken = code_.text.begin;
    for (const found_site& f : sites_) {
      site s;
      s.offset = static_cast<std::uint32_t>(f.at - code_.base);
      s.state = f.state;
      if (f.state == site_state::signal_return) s.nr = 15;
      if (f.state == site_state::patchable) {
        const std::span<const step> all(kept_);
        const auto before = all.subspan(f.first, f.self - f.first), after = all.subspan(f.self + 1, f.last - f.self - 1);
        s.nr = number_at(decoder_, f.at, before, targets_);
        const window w = choose_window(f.at, before, after, targets_, taken);
        s.before = w.before;
        s.after = w.after;
        s.state = w.state;
        s.vectors = f.vectors == vector_use::possible || (f.vectors == vector_use::unless_called && targets_.contains(f.function));
        if (w.state == site_state::patchable) taken = f.at + syscall_length + w.after;
      }
      table.push_back(s);
    }
    return table;
  }

  const decoder& decoder_;
  const code& code_;
  const addresses& candidates_;
  target_set targets_;
  vector_judge judge_;
  std::vector<step> steps_;  // of the function in hand
  std::uintptr_t undecodable_ = 0;  // the first such byte in it
  std::vector<step> kept_;
  std::vector<found_site> sites_;
};

}  // namespace

const char* describe(site_state s) noexcept {
  switch (s) {
    case site_state::patchable: return "can be redirected";
    case site_state::signal_return: return "signal return stub";
    case site_state::no_function: return "no unwind entry names its function";
    case site_state::undecodable: return "undecodable bytes before it";
    case site_state::no_room: return "no room for a jump";
    case site_state::branch_inside: return "something jumps into the room for a jump";
    case site_state::immovable: return "an instruction next to it cannot be moved";
    case site_state::overlap: return "a neighbouring site takes the room";
  }
  return "?";
}

site_table scan(const decoder& d, const code& c) {
  const addresses candidates = find_candidates(c.text);
  if (candidates.empty()) return {};
  return scanner(d, c, candidates).run();
}

bool holds_candidate(const range& text) { return !find_candidates(text).empty(); }

}  // namespace weft::patch
