// Replays a recording three times: to learn who sent what to other hubs, to write what each row was at, and to write the arrows. An arrow
// belongs to the slice that is open where it begins and ends, so slices come first.
#include "trace/json.hpp"

#include <sys/mman.h>

#include "trace/replay.hpp"

namespace weft::trace {
namespace {

using namespace core::trace;

constexpr std::size_t buffer_bytes = 1 << 16;

void sort_chunks(const chunk* all, std::uint32_t* order, std::uint32_t count) noexcept {
  // They lie nearly in order: a rotated ring.
  for (std::uint32_t i = 1; i < count; ++i) {
    const std::uint32_t x = order[i];
    std::uint32_t at = i;
    for (; at > 0 && all[order[at - 1]].sequence > all[x].sequence; --at) order[at] = order[at - 1];
    order[at] = x;
  }
}

// The used chunks, oldest first; how many.
std::uint32_t order_chunks(const void* map, std::uint32_t* order) noexcept {
  const auto* all = reinterpret_cast<const chunk*>(static_cast<const char*>(map) + header_bytes);
  const std::uint32_t count = static_cast<const header*>(map)->chunks;
  // From the oldest one on, so that the sorting finds little to do.
  std::uint32_t first = 0;
  for (std::uint32_t i = 1; i < count; ++i)
    if (all[i].hub != 0 && (all[first].hub == 0 || all[i].sequence < all[first].sequence)) first = i;
  std::uint32_t used = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = (first + i) % count;
    if (all[at].hub != 0) order[used++] = at;
  }
  sort_chunks(all, order, used);
  return used;
}

}  // namespace

bool is_recording(const void* map, std::size_t bytes) noexcept {
  const auto* h = static_cast<const header*>(map);
  return bytes >= header_bytes && h->magic == magic && h->chunks != 0 && bytes >= bytes_for(h->chunks);
}

bool has_events(const void* map) noexcept { return static_cast<const header*>(map)->next_chunk != 0; }

long write_json(const void* map, int fd, const char* ended_by) noexcept {
  const auto& h = *static_cast<const header*>(map);
  const std::size_t bytes = buffer_bytes + std::size_t{h.chunks} * sizeof(std::uint32_t);
  const long mapped = sys::raw(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped < 0) return mapped;
  auto* buffer = reinterpret_cast<char*>(mapped);
  auto* order = reinterpret_cast<std::uint32_t*>(buffer + buffer_bytes);
  text out(fd, buffer, buffer_bytes);
  const std::uint32_t count = order_chunks(map, order);
  long error;
  {
    replay r(map, order, count, ended_by, out);
    error = r.write();
  }
  out.flush();
  sys::raw(SYS_munmap, buffer, bytes);
  return error != 0 ? error : out.error();
}

}  // namespace weft::trace
