// The trace events themselves. The format: "Trace Event Format" of the Chromium project, in its JSON object form.
#include "sys/mem.hpp"
#include "trace/replay.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::trace {

using namespace core::trace;

namespace {

constexpr const char* call_names[] = {
#include <syscall_names.inc>  // made by sys/syscall_names.py
};

// detail::wake, as far as a wait ends by it.
const char* result_name(std::uint8_t result) noexcept {
  switch (static_cast<detail::wake>(result)) {
    case detail::wake::timeout: return "timeout";
    case detail::wake::cancelled: return "cancelled";
    case detail::wake::interrupted: return "interrupted";
    case detail::wake::closed: return "closed";
    case detail::wake::deadlock: return "deadlock";
    case detail::wake::signalled: return "signalled";
    default: return nullptr;
  }
}

// Of two that end with a zero.
bool same_text(const char* a, const char* b) noexcept {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace

const char* call_name(std::uint64_t number) noexcept {
  return number < sizeof call_names / sizeof *call_names ? call_names[number] : nullptr;
}

text& replay::event(const char* phase, const char* category, std::uint32_t row, std::uint64_t when) noexcept {
  out_ << (comma_ ? ",\n" : "\n") << "{\"ph\":\"" << phase << "\",\"cat\":\"" << category << "\",\"pid\":" << head_.process
       << ",\"tid\":" << row << ",\"ts\":";
  comma_ = true;
  out_.microseconds(when);
  return out_;
}

void replay::slice(const row& r, const char* category, std::uint64_t from, std::uint64_t to) noexcept {
  event("X", category, r.number, from) << ",\"dur\":";
  out_.microseconds(to - from);
}

const char* replay::reason(std::uint32_t name) const noexcept {
  return name == 0 || name > name_count ? "parked" : head_.names[name - 1].text;
}

void replay::wait_arguments(const row& r, bool unfinished) noexcept {
  const char* comma = "";
  const auto next = [&]() -> text& {
    out_ << comma;
    comma = ",";
    return out_;
  };
  out_ << ",\"args\":{";
  if (r.at == state::parked) {
    if (r.about_what == about_descriptor) next() << "\"fd\":" << r.about;
    if (r.about_what == about_futex) {
      next() << "\"futex\":\"";
      out_.hex(r.about);
      out_ << "\"";
    }
    if (r.until > at_.clock_base) {
      next() << "\"until_us\":";
      out_.microseconds(r.until - at_.clock_base);
    }
    const char* result = unfinished ? nullptr : result_name(r.result);
    if (result != nullptr) next() << "\"ended by\":\"" << result << "\"";
  }
  if (r.from != 0) {
    next() << (r.at == state::ready && r.spawned ? "\"spawned by\":" : "\"woken by\":");
    put_name(rows_[r.from - 1]);
  }
  if (r.at == state::ready && r.about != 0) next() << "\"after\":\"" << (r.about == preempted + 1u ? "preemption" : "yield") << "\"";
  if (unfinished) next() << "\"unfinished\":true";
  out_ << "}}";
}

// What the row was at until now is over.
void replay::end_state(row& r, std::uint64_t to, bool unfinished) noexcept {
  if (r.at == state::unknown || pass_ != pass::slices) return;
  static constexpr const char* categories[] = {"", "running", "parked", "ready"};
  slice(r, categories[static_cast<int>(r.at)], r.since, to);
  out_ << ",\"name\":";
  if (r.at == state::parked && r.about_what == about_name)
    put_resolving(r);
  else if (r.at == state::parked)
    out_.quoted(reason(r.reason), sizeof(name::text));
  else
    out_ << (r.at == state::running ? "\"running\",\"cname\":\"good\"" : "\"ready\",\"cname\":\"yellow\"");
  if (r.at == state::running && !unfinished)
    out_ << "}";
  else
    wait_arguments(r, unfinished);
}

void replay::put_resolving(const row& r) noexcept {
  constexpr char what[] = "resolving ";
  char whole[sizeof what + sizeof r.words];
  sys::copy(whole, what, sizeof what - 1);
  sys::copy(whole + sizeof what - 1, r.words, sizeof r.words);
  out_.quoted(whole, sizeof whole);
}

void replay::arrow(const row& to) noexcept {
  const char* what = to.spawned ? "spawn" : "wake";
  const std::uint64_t id = ++next_id_;
  event("s", what, rows_[to.from - 1].number, to.from_when) << ",\"id\":" << id << ",\"name\":\"" << what << "\"}";
  // A moment later, when nothing but the slice that begins now is open: viewers differ in what lies at a boundary.
  event("f", what, to.number, at_.now + 1) << ",\"id\":" << id << ",\"bp\":\"e\",\"name\":\"" << what << "\"}";
}

void replay::put_name(const row& r) noexcept {
  if (r.who == 0) {
    out_ << (head_.hubs > 1 ? "\"hub of thread " : "\"hub");
    if (head_.hubs > 1) out_ << r.thread;
    out_ << "\"";
  } else if (r.label != nullptr && r.label->is_main != 0 && r.label->tid == 0 && r.thread != head_.process) {
    out_ << "\"main of thread " << r.thread << "\"";
  } else if (r.label != nullptr && r.label->tid != 0 && same_text(r.label->text, head_.program)) {
    // A thread without a name of its own is called as the program is: all of them.
    if (r.label->tid == head_.process)
      out_ << "\"main\"";
    else
      out_ << "\"thread " << r.label->tid << "\"";
  } else if (r.label != nullptr && r.label->text[0] != 0) {
    out_.quoted(r.label->text, sizeof r.label->text);
  } else {
    constexpr std::uint32_t first_fiber = 5'000'000;
    out_ << "\"fiber " << r.number - first_fiber << "\"";
  }
}

void replay::metadata() noexcept {
  const auto fact = [&](const char* name, std::uint32_t row) -> text& {
    out_ << (comma_ ? ",\n" : "\n") << "{\"ph\":\"M\",\"pid\":" << head_.process << ",\"tid\":" << row;
    out_ << ",\"name\":\"" << name << "\",\"args\":{";
    comma_ = true;
    return out_;
  };
  fact("process_name", head_.process) << "\"name\":";
  out_.quoted(head_.program, sizeof head_.program);
  out_ << "}}";
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const row& r = rows_[i];
    fact("thread_name", r.number) << "\"name\":";
    put_name(r);
    out_ << "}}";
    // Hubs first, then as they came.
    fact("thread_sort_index", r.number) << "\"sort_index\":" << (r.who == 0 ? std::uint64_t{0} : std::uint64_t{i + 1}) << "}}";
  }
  const std::uint64_t dropped = head_.overwritten + head_.lost;
  if (dropped != 0 && rows_.size() != 0)
    event("i", "weft", rows_[0].number, first_time_ + 1 == 0 ? 0 : first_time_)
        << ",\"s\":\"g\",\"name\":\"" << dropped << " older events were dropped: see WEFT_TRACE_SIZE\"}";
}

// Stands first in the file: a process that comes later in the run sees whose it is (core/trace_file.cpp).
void replay::other_data() noexcept {
  out_ << "{\"otherData\":{\"run\":";
  out_.quoted(head_.run, sizeof head_.run);
  out_ << ",\"process\":" << head_.process << ",\"program\":";
  out_.quoted(head_.program, sizeof head_.program);
  out_ << ",\"ended by\":\"" << ended_by_ << "\"";
  if (head_.forked_from != 0) out_ << ",\"forked from\":" << head_.forked_from;
  out_ << ",\"hubs\":" << head_.hubs << ",\"dropped events\":" << head_.overwritten + head_.lost << ",\"fibers without names\":"
       << head_.unnamed << ",\"began at (monotonic ns)\":" << head_.first_ns << "}";
}

}  // namespace weft::trace
