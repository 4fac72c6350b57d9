// The rows of a trace while it is converted: what each fiber is at. Memory is mapped and grows; nothing of libc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/trace_format.hpp"

namespace weft::trace {

enum class state : std::uint8_t { unknown, running, parked, ready };

// One row: a fiber, and after it those that came to its control block without a name of their own; or a hub.
struct row {
  std::uint64_t who;            // 0: a hub's
  std::uint64_t key;            // what tells it from others of the same block
  const core::trace::label* label;
  std::uint32_t number;         // JSON's tid
  std::uint32_t hub, thread;

  // From here to the end: its history, which forget_states empties.
  state at;
  std::uint8_t about_what;      // parked: record::detail
  std::uint8_t result;          // of the last wait: detail::wake
  bool spawned;                 // ready because it was made
  std::uint32_t reason;         // parked: record::name
  std::uint64_t since;
  std::uint64_t about;
  std::uint64_t until;          // parked: deadline on the hub's clock, 0: none
  std::uint32_t from;           // who woke or made it: index of the row + 1; 0: nobody that is seen
  std::uint64_t from_when;
  char words[core::trace::most_letters + 1];  // parked: what it is about
  std::uint64_t call_since, call;  // an offloaded call that is under way; 0: none
  std::uint8_t call_to;
};

class rows {
public:
  rows() noexcept = default;
  ~rows();
  rows(const rows&) = delete;
  rows& operator=(const rows&) = delete;

  bool open(std::size_t most) noexcept;  // false: no memory
  // The row of `who` with that key, made when it is new; null: no room. `fresh` tells.
  row* find(std::uint64_t who, std::uint64_t key, bool& fresh) noexcept;
  std::size_t size() const noexcept { return used_; }
  row& operator[](std::size_t i) noexcept { return at_[i]; }
  // All rows as if nothing had happened to them yet.
  void forget_states() noexcept;

private:
  bool grow() noexcept;
  void enter(std::uint32_t index) noexcept;

  row* at_ = nullptr;
  std::size_t used_ = 0, most_ = 0;
  std::uint32_t* index_ = nullptr;  // position + 1, by hash
  std::size_t index_size_ = 0;
};

}  // namespace weft::trace
