// What happened, read from a recording hub by hub, and told as trace events. See json.cpp for the passes.
#pragma once

#include "trace/rows.hpp"
#include "trace/text.hpp"

namespace weft::trace {

class replay {
public:
  replay(const void* map, const std::uint32_t* order, std::uint32_t count, const char* ended_by, text& out) noexcept;
  ~replay();
  replay(const replay&) = delete;
  replay& operator=(const replay&) = delete;

  long write() noexcept;

private:
  enum class pass { posts, slices, arrows };
  // Something that was sent to another hub: there the node's address names it, and the latest one before is it.
  struct sent {
    std::uint64_t node, when;
    std::uint32_t from;  // index of the row + 1
  };
  // Where a hub is in its replay.
  struct place {
    std::uint32_t number = 0, thread = 0;
    row* own = nullptr;      // the hub's row
    row* runs = nullptr;     // who runs
    bool in_turn = false, delivers = false;
    std::uint64_t turn_since = 0, polled_at = 0, timeout = 0, reported = 0, until = 0;
    const sent* remote = nullptr;  // what is run now
    std::uint64_t now = 0, clock_base = 0;
    bool over = false;
    char words[core::trace::most_letters + 1] = {};  // of the next park
  };

  void replay_all(pass p) noexcept;
  void replay_hub(std::uint32_t number) noexcept;
  void tell(const core::trace::record& r) noexcept;
  void tell_run(const core::trace::record& r) noexcept;
  void tell_park(const core::trace::record& r) noexcept;
  void tell_wake(const core::trace::record& r) noexcept;
  void tell_spawn(const core::trace::record& r) noexcept;
  void tell_hub(const core::trace::record& r) noexcept;
  void tell_call(const core::trace::record& r) noexcept;
  void tell_signal(const core::trace::record& r) noexcept;
  void tell_stall(const core::trace::record& r) noexcept;
  void gather_words(const core::trace::record& r) noexcept;
  void finish_hub() noexcept;

  row* row_of(const core::trace::record& r) noexcept;
  row* hub_row() noexcept;
  const core::trace::label* label_of(std::uint64_t who, std::uint32_t epoch) const noexcept;
  std::uint64_t time_of(const core::trace::chunk& c, std::uint64_t when) const noexcept;
  std::uint64_t last_time() const noexcept;
  void note_source(row& r) noexcept;
  const sent* find_sent(std::uint64_t node) const noexcept;
  void sort_sent() noexcept;
  std::uint32_t index_of(const row* r) noexcept { return r == nullptr ? 0 : static_cast<std::uint32_t>(r - &rows_[0]) + 1; }

  // ---- what is written
  text& event(const char* phase, const char* category, std::uint32_t row, std::uint64_t when) noexcept;
  void slice(const row& r, const char* category, std::uint64_t from, std::uint64_t to) noexcept;
  void end_state(row& r, std::uint64_t to, bool unfinished) noexcept;
  void wait_arguments(const row& r, bool unfinished) noexcept;
  void arrow(const row& to) noexcept;
  void metadata() noexcept;
  void put_name(const row& r) noexcept;
  void put_resolving(const row& r) noexcept;
  void other_data() noexcept;
  const char* reason(std::uint32_t name) const noexcept;

  const core::trace::header& head_;
  const core::trace::chunk* chunks_;
  const std::uint32_t* order_;
  std::uint32_t count_;
  const char* ended_by_;
  text& out_;
  rows rows_;
  sent* sent_ = nullptr;
  std::size_t sent_count_ = 0, sent_bytes_ = 0;
  pass pass_ = pass::posts;
  place at_;
  bool comma_ = false;
  std::uint64_t next_id_ = 0, first_time_ = ~std::uint64_t{0};
  std::uint32_t next_fiber_ = 0;
};

const char* call_name(std::uint64_t number) noexcept;  // null: unknown

}  // namespace weft::trace
