#include "patch/trampoline.hpp"

#include <cstring>
#include <initializer_list>

#include "patch/dispatch.hpp"
#include "patch/near_memory.hpp"
#include "patch/window.hpp"

namespace weft::patch {
namespace {

class writer {
public:
  explicit writer(std::uint8_t* at) : at_(at) {}

  std::uintptr_t here() const { return reinterpret_cast<std::uintptr_t>(at_); }
  bool good() const { return good_; }

  void bytes(std::initializer_list<int> list) {
    for (const int b : list) *at_++ = static_cast<std::uint8_t>(b);
  }
  void word32(std::int32_t v) {
    std::memcpy(at_, &v, 4);
    at_ += 4;
  }
  void copy(std::uintptr_t from, std::size_t n) {
    std::memcpy(at_, reinterpret_cast<const void*>(from), n);
    at_ += n;
  }
  // The distance to `target` from the end of these four bytes plus `rest` more of the same instruction.
  void distance(std::uintptr_t target, std::size_t rest = 0) {
    if (!reaches(here() + 4 + rest, target)) good_ = false;
    word32(static_cast<std::int32_t>(target - (here() + 4 + rest)));
  }
  // A one-byte distance, filled in once its target is known.
  std::uint8_t* short_distance() { return at_++; }
  void land(std::uint8_t* d) const { *d = static_cast<std::uint8_t>(at_ - (d + 1)); }

  void moved(std::uintptr_t from, const instruction& i) {
    if (i.rip_relative) {
      copy(from, i.displacement_at);
      const std::size_t rest = i.length - i.displacement_at - 4u;
      distance(i.target, rest);
      copy(from + i.displacement_at + 4u, rest);
    } else if (i.kind == flow::branch) {
      bytes({0x0f, 0x80 | i.condition});
      distance(i.target);
    } else if (i.kind == flow::jump) {
      bytes({0xe9});
      distance(i.target);
    } else {
      copy(from, i.length);
    }
  }

private:
  std::uint8_t* at_;
  bool good_ = true;
};

// Loads the handler for the site's number into rcx; returns the short jump to take when the number is out of range.
std::uint8_t* load_handler(writer& w, const site& s, const region_header& header, std::uintptr_t header_at) {
  std::uint8_t* out_of_range = nullptr;
  if (s.nr >= 0 && s.nr < handler_count) {
    const auto slot = static_cast<std::uint32_t>(s.nr) * sizeof(handler);
    if (reaches(w.here() + 7, header.handlers + slot)) {
      w.bytes({0x48, 0x8b, 0x0d});  // mov handlers+slot(%rip), %rcx
      w.distance(header.handlers + slot);
    } else {
      w.bytes({0x48, 0x8b, 0x0d});  // mov header.handlers(%rip), %rcx
      w.distance(header_at + offsetof(region_header, handlers));
      w.bytes({0x48, 0x8b, 0x89});  // mov slot(%rcx), %rcx
      w.word32(static_cast<std::int32_t>(slot));
    }
    return nullptr;
  }
  w.bytes({0x48, 0x3d});  // cmp $512, %rax
  w.word32(handler_count);
  w.bytes({0x73});  // jae raw
  out_of_range = w.short_distance();
  w.bytes({0x48, 0x8b, 0x0d});  // mov header.handlers(%rip), %rcx
  w.distance(header_at + offsetof(region_header, handlers));
  w.bytes({0x48, 0x8b, 0x0c, 0xc1});  // mov (%rcx,%rax,8), %rcx
  return out_of_range;
}

}  // namespace

trampoline write_trampoline(const displaced_code& code, std::uintptr_t base, const site& s, std::uint8_t* at,
                            const region_header& header, std::uintptr_t header_at) {
  const std::uintptr_t site_at = base + s.offset, behind = site_at + syscall_length;
  const std::uintptr_t begin = site_at - s.before, end = behind + s.after;
  writer w(at);
  trampoline t;
  t.start = w.here();
  // What follows stands for the original instruction at `original`.
  const auto stands_for = [&](std::uintptr_t original, std::uint8_t stepped = 0) {
    t.rows.push_back({w.here(), original, stepped});
    if (original > begin && original < end && (t.moved.empty() || t.moved.back().from != original))
      t.moved.push_back({original, w.here()});
  };

  for (std::uintptr_t from = begin; from < site_at;) {
    const auto i = code.at(from);
    if (!i) return {};
    stands_for(from);
    w.moved(from, *i);
    from += i->length;
  }

  t.dispatch = w.here();
  stands_for(site_at);
  std::uint8_t* const out_of_range = load_handler(w, s, header, header_at);
  w.bytes({0xe3});  // jrcxz raw
  std::uint8_t* const no_handler = w.short_distance();
  w.bytes({0x48, 0x8d, 0x64, 0x24, 0x80});  // lea -128(%rsp), %rsp
  stands_for(site_at, 128);
  w.bytes({0x4c, 0x8d, 0x1d});  // lea site+2(%rip), %r11
  w.distance(behind);
  w.bytes({0xff, 0x15});  // call *header.entry(%rip), or its plain twin
  w.distance(header_at + (s.vectors ? offsetof(region_header, entry) : offsetof(region_header, plain)));
  w.bytes({0x48, 0x8d, 0xa4, 0x24});  // lea 128(%rsp), %rsp
  w.word32(128);
  stands_for(site_at);
  w.bytes({0xe3});  // jrcxz done
  std::uint8_t* const answered = w.short_distance();
  w.land(no_handler);
  if (out_of_range != nullptr) w.land(out_of_range);
  w.bytes({0x0f, 0x05});
  w.land(answered);

  t.done = w.here();
  bool goes_back = true;
  for (std::uintptr_t from = behind; from < end;) {
    const auto i = code.at(from);
    if (!i) return {};
    stands_for(from);
    if (goes_back) w.moved(from, *i);
    if (i->ends_flow()) goes_back = false;  // what follows is padding
    from += i->length;
  }
  if (goes_back) {
    stands_for(end);
    w.bytes({0xe9});
    w.distance(end);
  }
  t.end = w.here();
  return w.good() ? t : trampoline{};
}

}  // namespace weft::patch
