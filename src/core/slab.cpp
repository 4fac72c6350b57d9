#include "core/slab.hpp"

#include "sys/mem.hpp"

namespace weft::core {
namespace {

constexpr std::size_t first_run = 64 * 1024;
constexpr std::size_t most_run = 4 * 1024 * 1024;

}  // namespace

slab::~slab() {
  while (run* r = runs_) {
    runs_ = r->next;
    sys::unmap(r, r->bytes);
  }
}

void* slab::take_fresh(std::size_t index, bool& fresh) noexcept {
  const std::size_t size = index * step;
  if (static_cast<std::size_t>(end_ - at_) < size) {
    // What is left of the old run is less than one block of this size: lost until the hub ends, never more than a page.
    std::size_t bytes = runs_ == nullptr ? first_run : runs_->bytes * 2;
    if (bytes > most_run) bytes = most_run;
    auto* r = static_cast<run*>(sys::map(bytes));
    if (r == nullptr) r = static_cast<run*>(sys::map(bytes = first_run));  // RLIMIT_AS may leave room for a small one
    if (r == nullptr) return nullptr;
    r->next = runs_;
    r->bytes = bytes;
    runs_ = r;
    at_ = reinterpret_cast<char*>(r) + sizeof(run);
    end_ = reinterpret_cast<char*>(r) + bytes;
  }
  void* block = at_;
  at_ += size;
  fresh = true;
  return block;
}

void* slab::take_large(std::size_t size, bool& fresh) noexcept {
  fresh = true;
  return sys::map(sys::round_up(size, sys::page_size));
}

void slab::give_large(void* block, std::size_t size) noexcept { sys::unmap(block, sys::round_up(size, sys::page_size)); }

}  // namespace weft::core
