// Which hubs wait on a descriptor number, so that closing it from any thread wakes their fibers: one word a number, for the process.
//
// A word counts how often its number was closed (its version) and has a bit for each hub (the 33rd shares the first one's) that has
// begun to wait since. Closing swaps the word: no bit, which is nearly always, and nothing more is to be done. Else the hubs behind
// the bits are told, and each ends the waits that began under the version that has ended: a wait on the number's next life goes on.
#pragma once

#include "core/hub.hpp"
#include "io/ended.hpp"
#include "io/fd_words.hpp"

namespace weft::io {

// The words: version, then the hubs' bits.
extern fd_words<std::uint64_t> watchers;
constexpr std::uint32_t version_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32 | 1u << 31); }

// Makes the hub one of the watchers of `fd`; the number's version.
std::uint32_t begin_watching(hub& h, int fd) noexcept;
// Before a wait on `fd`: this hub is among its watchers from now on. The number's version, never 0.
[[gnu::always_inline]] inline std::uint32_t watch_closing(hub& h, int fd) noexcept {
  if (const auto* w = watchers.find(fd); w != nullptr) [[likely]]
    if (const std::uint64_t seen = w->load_acquire(); (seen & h.closed.mark) != 0) [[likely]]
      return version_of(seen);
  return begin_watching(h, fd);
}

// `fd` is about to be closed or replaced: tells every hub that waits on it but `own`, which is null where the caller has none.
void tell_watchers(hub* own, int fd) noexcept;
// For numbers `first` to `last`.
void tell_watchers_of_range(hub* own, unsigned first, unsigned last) noexcept;

// The hub ends.
void watches_no_more(hub& h) noexcept;
// In the child of a fork, before what was sent to the hub is taken: other hubs are not there.
void only_watcher(hub& h) noexcept;
// After that: nobody is in the middle of telling this one anything.
void watch_alone(hub& h) noexcept;

}  // namespace weft::io
