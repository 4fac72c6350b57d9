// A page of machine code made by a test: scanned, redirected and run like the text of a library.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "patch/apply.hpp"
#include "patch/dispatch.hpp"
#include "patch/near_memory.hpp"
#include "patch/scan.hpp"
#include "patch/stop_handler.hpp"
#include "patch/trampoline.hpp"
#include "patch/window.hpp"

namespace weft_test {

namespace patch = weft::patch;

inline const patch::decoder& the_decoder() {
  static std::string why;
  static const std::unique_ptr<patch::decoder> d = patch::decoder::open(why);
  REQUIRE_MESSAGE(d != nullptr, why);
  return *d;
}

class code_buffer {
public:
  static constexpr std::size_t room = 4096;

  code_buffer(std::initializer_list<int> bytes) {
    page_ = static_cast<std::uint8_t*>(mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(page_ != MAP_FAILED);
    std::memset(page_, 0xcc, room);
    std::uint8_t* at = page_;
    for (const int b : bytes) *at++ = static_cast<std::uint8_t>(b);
    used_ = bytes.size();
    REQUIRE(mprotect(page_, room, PROT_READ | PROT_EXEC) == 0);
  }
  ~code_buffer() {
    munmap(page_, room);
    if (region_ != nullptr) munmap(region_, room);
  }
  code_buffer(const code_buffer&) = delete;

  std::uintptr_t at(std::size_t offset = 0) const { return reinterpret_cast<std::uintptr_t>(page_) + offset; }
  std::uint8_t byte(std::size_t offset) const { return page_[offset]; }
  patch::range text() const { return {at(), at(room)}; }

  // Scans the bytes as one function, or as functions beginning at `starts`.
  patch::site_table scan(std::vector<std::size_t> starts = {0}) const {
    const patch::code c{at(), text(), {text()}, [this, starts](std::uintptr_t a) {
                          std::optional<patch::function_range> found;
                          for (std::size_t k = 0; k < starts.size(); ++k) {
                            const std::size_t end = k + 1 < starts.size() ? starts[k + 1] : used_;
                            if (a >= at(starts[k]) && a < at(end))
                              found = patch::function_range{at(starts[k]), at(end), k + 1 < starts.size() ? at(end) : at(room), true};
                          }
                          return found;
                        }};
    return patch::scan(the_decoder(), c);
  }

  // Redirects every site that can be; the number of those.
  int redirect() {
    region_ = patch::map_near(text(), room);
    REQUIRE(region_ != nullptr);
    const patch::region_header header{reinterpret_cast<std::uintptr_t>(&patch::weft_patch_entry),
                                      reinterpret_cast<std::uintptr_t>(&patch::weft_patch_entry_plain), handlers_at};
    std::memcpy(region_, &header, sizeof header);
    std::uint8_t* to = region_ + sizeof header;
    patch::segment_changes changes{text(), {}};
    patch::displaced_code code(at());
    for (const patch::site& s : scan()) {
      if (s.state != patch::site_state::patchable) continue;
      code.add(the_decoder(), s);
      const auto t = patch::write_trampoline(code, at(), s, to, header, reinterpret_cast<std::uintptr_t>(region_));
      moved.insert(moved.end(), t.moved.begin(), t.moved.end());
      REQUIRE(t.start != 0);
      CHECK(t.end - t.start <= patch::trampoline_most_bytes);
      trampolines.push_back(t);
      to += t.end - t.start;
      changes.changes.push_back(
          {at(s.offset - s.before), static_cast<std::uint8_t>(s.before + patch::syscall_length + s.after), t.start});
    }
    REQUIRE(mprotect(region_, room, PROT_READ | PROT_EXEC) == 0);
    const patch::applied a = patch::apply({changes}, moved, {}, 1'000'000'000);
    REQUIRE_MESSAGE(a.code == patch::error::none, a.text);
    return static_cast<int>(changes.changes.size());
  }

  template <class F>
  F* function(std::size_t offset = 0) const {
    return reinterpret_cast<F*>(at(offset));
  }

  std::uintptr_t handlers_at = reinterpret_cast<std::uintptr_t>(&patch::weft_patch_handlers[0]);
  std::vector<patch::moved_address> moved;
  std::vector<patch::trampoline> trampolines;

private:
  std::uint8_t* page_ = nullptr;
  std::uint8_t* region_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace weft_test
