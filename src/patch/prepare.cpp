#include "patch/prepare.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "patch/dispatch.hpp"
#include "patch/near_memory.hpp"
#include "patch/window.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

namespace weft::patch {

prepared& prepared::operator=(prepared&& other) noexcept {
  std::swap(object, other.object);
  segments.swap(other.segments);
  moved.swap(other.moved);
  std::swap(region_, other.region_);
  std::swap(region_bytes_, other.region_bytes_);
  redirected_.swap(other.redirected_);
  std::swap(unwind_, other.unwind_);
  return *this;
}

prepared::~prepared() {
  if (region_ != nullptr) sys::unmap(region_, region_bytes_);
}

void prepared::keep() {
  region_ = nullptr;
  for (const redirection& r : redirected_) {
    r.site->trampoline = r.start;
    r.site->done = r.done;
  }
  unwind_.publish();
}

bool prepare(known_object& object, const std::vector<known_site*>& sites, prepared& out) {
  out.object = &object;
  const std::uintptr_t base = object.image.base;
  range whole = object.image.text.front();
  for (const range& t : object.image.text) whole = {std::min(whole.begin, t.begin), std::max(whole.end, t.end)};

  out.region_bytes_ = sys::round_up(sizeof(region_header) + sites.size() * trampoline_most_bytes, sys::page_size);
  out.region_ = map_near(whole, out.region_bytes_);
  if (out.region_ == nullptr) {
    object.failed = "no free memory within 2 GiB of its text";
    return false;
  }
  const auto region_at = reinterpret_cast<std::uintptr_t>(out.region_);
  const region_header header{reinterpret_cast<std::uintptr_t>(&weft_patch_entry),
                             reinterpret_cast<std::uintptr_t>(&weft_patch_entry_plain),
                             reinterpret_cast<std::uintptr_t>(&weft_patch_handlers[0])};
  sys::copy(out.region_, &header, sizeof header);
  out.unwind_ = unwind_table(sites.size());
  out.moved.reserve(sites.size() * 4);
  std::uint8_t* at = out.region_ + sizeof header;
  for (const range& text : object.image.text) {
    segment_changes segment{text, {}};
    for (known_site* s : sites) {
      const std::uintptr_t site_at = base + s->what.offset;
      if (!text.holds(site_at)) continue;
      if (s->kept != 0) {
        segment.changes.push_back(
            {site_at - s->what.before, static_cast<std::uint8_t>(s->what.before + syscall_length + s->what.after), s->kept});
        out.redirected_.push_back({s, s->kept, s->kept_done});
        continue;
      }
      trampoline t = write_trampoline(object.code, base, s->what, at, header, region_at);
      if (t.start == 0) {
        s->failed = true;
        continue;
      }
      at += sys::round_up(t.end - t.start, 8);
      segment.changes.push_back(
          {site_at - s->what.before, static_cast<std::uint8_t>(s->what.before + syscall_length + s->what.after), t.start});
      out.redirected_.push_back({s, t.start, t.done});
      out.moved.insert(out.moved.end(), t.moved.begin(), t.moved.end());
      out.unwind_.add(t.rows, t.end);
    }
    if (!segment.changes.empty()) out.segments.push_back(std::move(segment));
  }
  if (at == out.region_ + sizeof header) {
    sys::unmap(out.region_, out.region_bytes_);
    out.region_ = nullptr;
    out.unwind_ = {};
    return true;
  }
  // What no trampoline needed goes back at once.
  const std::size_t used = sys::round_up(static_cast<std::size_t>(at - out.region_), sys::page_size);
  if (used < out.region_bytes_) sys::unmap(out.region_ + used, out.region_bytes_ - used);
  out.region_bytes_ = used;
  // Executable before any text changes: from then on even mprotect goes through here.
  if (sys::raw(SYS_mprotect, out.region_, out.region_bytes_, PROT_READ | PROT_EXEC) != 0) {
    object.failed = "the system does not let new code become executable";
    return false;
  }
  sys::raw(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, out.region_, out.region_bytes_, "weft trampolines");
  return true;
}

}  // namespace weft::patch
