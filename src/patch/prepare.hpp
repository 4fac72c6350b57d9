// Makes ready, without changing anything yet, what redirecting some sites of one object takes: a region of trampolines
// near its text, the jumps to lay over it, the addresses that move.
#pragma once

#include <vector>

#include "patch/apply.hpp"
#include "patch/registry.hpp"

namespace weft::patch {

// Gives the trampolines' memory back when destroyed, unless `keep` was called.
class prepared {
public:
  prepared() = default;
  prepared(prepared&& other) noexcept { *this = std::move(other); }
  prepared& operator=(prepared&& other) noexcept;
  ~prepared();

  // The trampolines are in use now, for good: notes them in the object and tells the unwinder.
  void keep();

  known_object* object = nullptr;
  std::vector<segment_changes> segments;
  std::vector<moved_address> moved;
  std::size_t count() const { return redirected_.size(); }

  friend bool prepare(known_object& object, const std::vector<known_site*>& sites, prepared& out);

private:
  struct redirection {
    known_site* site;
    std::uintptr_t start, done;
  };
  std::uint8_t* region_ = nullptr;
  std::size_t region_bytes_ = 0;
  std::vector<redirection> redirected_;
  unwind_table unwind_;
};

// For `sites`, which belong to `object` and are patchable. False with object.failed set when there is no memory, or none
// that may become executable. A site whose instructions turn out not to move is marked and left out.
bool prepare(known_object& object, const std::vector<known_site*>& sites, prepared& out);

}  // namespace weft::patch
