// What one hub knows of each descriptor number it has waited on: its registration, event sequence and waiters.
//
// Entries are stable in memory and created on first use; a number that was never waited on costs a null pointer.
#pragma once

#include "poller/poller.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::inspect {
struct layout_access;  // src/inspect/debug_layout.cpp
}

namespace weft::core {

// One fiber's interest in one descriptor, on that fiber's stack. `target` is unparked when any of `events` is reported.
struct fd_node : detail::wait_node {
  fd_node(detail::waiter& w, std::uint32_t wanted) noexcept;
  // For a `notify` of the maker's own.
  explicit fd_node(std::uint32_t wanted) noexcept : events(wanted), target(nullptr) {}
  std::uint32_t events;
  std::uint32_t fired = 0;
  bool closed = false;
  std::uint32_t version = 0;   // of the number, when the wait began (io/watchers.hpp)
  detail::waiter* target;
};

enum class fd_kind : std::uint8_t {
  unknown,     // not looked at since the number was (re)used
  tcp,         // plain TCP stream: a short read means that it is drained
  file,        // regular file or block device: knows no readiness
  other,
};

struct fd_entry {
  [[no_unique_address]] poller::registration reg;
  fd_kind kind = fd_kind::unknown;
  bool drained = false;        // the last read emptied the socket and nothing was reported since: park without trying
  bool past_plain = false;     // FIN, error or urgent data were seen: a short read says nothing any more
  std::uint32_t sequence = 0;  // counts reports: unchanged since before a try means that the try saw the newest state
  std::uint32_t version = 0;   // of the number, when it was last given to the poller
  detail::wait_list waiters;
};
// Two to a cache line, none across one: a server of thousands of connections looks at an entry for each request.
static_assert(sizeof(fd_entry) == 32);

class fd_table {
public:
  fd_table() noexcept = default;
  ~fd_table();
  fd_table(const fd_table&) = delete;
  fd_table& operator=(const fd_table&) = delete;

  static constexpr int limit = 1 << 24;

  // The entry, null when the number was never used here (or is no descriptor number).
  fd_entry* find(int fd) noexcept {
    const auto page = static_cast<unsigned>(fd) >> page_bits;
    return page < page_count_ && pages_[page] != nullptr ? &pages_[page][static_cast<unsigned>(fd) & page_mask] : nullptr;
  }
  // The entry, made if need be; null for a negative or absurd number or without memory.
  fd_entry* get(int fd) noexcept {
    fd_entry* e = find(fd);
    return e != nullptr ? e : make(fd);
  }
  // Calls `f(fd, entry)` for every entry that was ever used.
  template <class F>
  void each(F f) noexcept {
    for (unsigned p = 0; p < page_count_; ++p)
      if (pages_[p] != nullptr)
        for (unsigned i = 0; i <= page_mask; ++i) f(static_cast<int>(p << page_bits | i), pages_[p][i]);
  }

private:
  friend struct inspect::layout_access;
  static constexpr unsigned page_bits = 7, page_mask = (1u << page_bits) - 1;
  fd_entry* make(int fd) noexcept;

  fd_entry** pages_ = nullptr;
  unsigned page_count_ = 0;
};

}  // namespace weft::core
