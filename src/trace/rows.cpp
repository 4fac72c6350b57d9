#include "trace/rows.hpp"

#include <cstddef>
#include <sys/mman.h>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::trace {
namespace {

// Touched lazily, and not counted against overcommit.
void* map(std::size_t bytes) noexcept {
  const long at = sys::raw(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at > 0 ? reinterpret_cast<void*>(at) : nullptr;
}

std::uint32_t hash_of(std::uint64_t who, std::uint64_t key) noexcept { return core::trace::hash(who ^ key * 0x100000001b3); }

}  // namespace

rows::~rows() {
  if (at_ != nullptr) sys::raw(SYS_munmap, at_, most_ * sizeof(row));
  if (index_ != nullptr) sys::raw(SYS_munmap, index_, index_size_ * sizeof *index_);
}

bool rows::open(std::size_t most) noexcept {
  most_ = most;
  at_ = static_cast<row*>(map(most_ * sizeof(row)));
  return at_ != nullptr && grow();
}

bool rows::grow() noexcept {
  const std::size_t size = index_size_ == 0 ? 4096 : index_size_ * 2;
  auto* fresh = static_cast<std::uint32_t*>(map(size * sizeof *index_));
  if (fresh == nullptr) return false;
  if (index_ != nullptr) sys::raw(SYS_munmap, index_, index_size_ * sizeof *index_);
  index_ = fresh;
  index_size_ = size;
  for (std::uint32_t i = 0; i < used_; ++i) enter(i);
  return true;
}

void rows::enter(std::uint32_t index) noexcept {
  std::size_t place = hash_of(at_[index].who, at_[index].key) & (index_size_ - 1);
  while (index_[place] != 0) place = (place + 1) & (index_size_ - 1);
  index_[place] = index + 1;
}

row* rows::find(std::uint64_t who, std::uint64_t key, bool& fresh) noexcept {
  fresh = false;
  for (std::size_t place = hash_of(who, key) & (index_size_ - 1); index_[place] != 0; place = (place + 1) & (index_size_ - 1)) {
    row& r = at_[index_[place] - 1];
    if (r.who == who && r.key == key) return &r;
  }
  if (used_ == most_ || (used_ * 2 >= index_size_ && !grow())) return nullptr;
  fresh = true;
  row& r = at_[used_];
  r.who = who;
  r.key = key;
  enter(static_cast<std::uint32_t>(used_++));
  return &r;
}

void rows::forget_states() noexcept {
  for (std::size_t i = 0; i < used_; ++i) sys::fill(&at_[i].at, 0, sizeof(row) - offsetof(row, at));
}

}  // namespace weft::trace
