// What a record means for the row that it is about. What becomes of that is written in events.cpp.
#include "trace/replay.hpp"

#include <sys/mman.h>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::trace {

using namespace core::trace;

replay::replay(const void* map, const std::uint32_t* order, std::uint32_t count, const char* ended_by, text& out) noexcept
    : head_(*static_cast<const header*>(map)),
      chunks_(reinterpret_cast<const chunk*>(static_cast<const char*>(map) + header_bytes)),
      order_(order),
      count_(count),
      ended_by_(ended_by),
      out_(out) {}

replay::~replay() {
  if (sent_ != nullptr) sys::raw(SYS_munmap, sent_, sent_bytes_);
}

long replay::write() noexcept {
  const std::size_t records = std::size_t{count_} * records_in_chunk;
  sent_bytes_ = (records + 1) * sizeof(sent);
  const long mapped = sys::raw(SYS_mmap, nullptr, sent_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped < 0) return mapped;
  sent_ = reinterpret_cast<sent*>(mapped);
  constexpr long out_of_memory = -12;
  if (!rows_.open(records + head_.hubs + 16)) return out_of_memory;
  other_data();
  out_ << ",\n\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
  replay_all(pass::posts);
  sort_sent();
  metadata();
  replay_all(pass::slices);
  replay_all(pass::arrows);
  out_ << "\n]}\n";
  return 0;
}

void replay::replay_all(pass p) noexcept {
  pass_ = p;
  rows_.forget_states();
  for (std::uint32_t hub = 1; hub <= head_.hubs; ++hub) replay_hub(hub);
}

void replay::replay_hub(std::uint32_t number) noexcept {
  at_ = {};
  at_.number = number;
  bool any = false, of_virtual_time = false;
  for (std::uint32_t i = 0; i < count_; ++i) {
    const chunk& c = chunks_[order_[i]];
    if (c.hub != number) continue;
    any = true;
    at_.thread = c.thread;
    at_.over = c.open == 0;
    of_virtual_time = c.virtual_time != 0;
    at_.clock_base = of_virtual_time ? head_.virtual_base : head_.first_ns;
    const std::uint32_t used = c.used < records_in_chunk ? c.used : records_in_chunk;
    std::uint64_t before = 0;
    for (std::uint32_t k = 0; k < used; ++k) {
      const record r = c.at[k];
      // Not written yet, or by an earlier owner of the chunk.
      if (r.what == 0 || r.what > static_cast<std::uint8_t>(last_kind) || r.when < before) continue;
      before = r.when;
      const std::uint64_t t = time_of(c, r.when);
      if (t > at_.now) at_.now = t;
      if (at_.now < first_time_) first_time_ = at_.now;
      tell(r);
    }
  }
  if (!any) return;
  if (!at_.over && !of_virtual_time && last_time() > at_.now) at_.now = last_time();
  finish_hub();
}

void replay::tell(const record& r) noexcept {
  switch (static_cast<kind>(r.what)) {
    case kind::run: return tell_run(r);
    case kind::until: at_.until = r.about; return;
    case kind::park: return tell_park(r);
    case kind::wake: return tell_wake(r);
    case kind::ready: case kind::spawn: return tell_spawn(r);
    case kind::end:
      if (row* x = row_of(r)) {
        end_state(*x, at_.now, false);
        x->at = state::unknown;
        if (at_.runs == x) at_.runs = nullptr;
      }
      return;
    case kind::turn: case kind::polled: case kind::turned: case kind::post: case kind::remote: return tell_hub(r);
    case kind::offload: case kind::done: return tell_call(r);
    case kind::signal: return tell_signal(r);
    case kind::words: return gather_words(r);
    case kind::stall: return tell_stall(r);
    case kind::none: return;
  }
}

void replay::tell_run(const record& r) noexcept {
  if (at_.runs != nullptr && at_.runs->at == state::running) {
    end_state(*at_.runs, at_.now, false);
    at_.runs->at = state::unknown;
  }
  at_.runs = nullptr;
  at_.in_turn = at_.delivers = false;
  at_.remote = nullptr;
  if ((r.detail & of_the_hub) != 0) return;
  row* x = row_of(r);
  if (x == nullptr) return;
  end_state(*x, at_.now, false);
  x->at = state::running;
  x->since = at_.now;
  if (pass_ == pass::arrows && x->from != 0) arrow(*x);
  x->from = 0;
  at_.runs = x;
}

void replay::tell_park(const record& r) noexcept {
  at_.remote = nullptr;
  const std::uint64_t until = at_.until;
  at_.until = 0;
  row* x = row_of(r);
  if (x == nullptr) return;
  end_state(*x, at_.now, false);
  x->at = state::parked;
  x->since = at_.now;
  x->reason = r.name;
  x->about_what = r.detail;
  x->about = r.about;
  x->until = until;
  x->from = 0;
  if (r.detail == about_name) sys::copy(x->words, at_.words, sizeof x->words);
  at_.words[0] = 0;
  if (at_.runs == x) at_.runs = nullptr;
}

void replay::tell_wake(const record& r) noexcept {
  row* x = row_of(r);
  if (x == nullptr) return;
  x->result = r.detail;
  note_source(*x);
  end_state(*x, at_.now, false);
  x->at = state::ready;
  x->spawned = false;
  x->since = at_.now;
  x->about = 0;
}

void replay::tell_spawn(const record& r) noexcept {
  row* x = row_of(r);
  if (x == nullptr) return;
  end_state(*x, at_.now, false);
  x->at = state::ready;
  x->since = at_.now;
  x->spawned = static_cast<kind>(r.what) == kind::spawn;
  x->about = x->spawned || r.detail == seen ? 0 : r.detail + 1u;
  x->from = 0;
  if (x->spawned) note_source(*x);
  if (at_.runs == x) at_.runs = nullptr;
}

void replay::tell_hub(const record& r) noexcept {
  switch (static_cast<kind>(r.what)) {
    case kind::turn:
      at_.in_turn = true;
      at_.delivers = false;
      at_.turn_since = at_.now;
      at_.timeout = r.about;
      at_.remote = nullptr;
      return;
    case kind::polled:
      if (!at_.in_turn) return;
      at_.delivers = true;
      at_.polled_at = at_.now;
      hub_row();
      if (pass_ != pass::slices) return;
      slice(*hub_row(), "poll", at_.turn_since, at_.now);
      out_ << ",\"name\":\"poll\",\"args\":{\"descriptors\":" << r.about;
      if (at_.timeout + 1 != 0) {
        out_ << ",\"longest_us\":";
        out_.microseconds(at_.timeout);
      }
      out_ << "}}";
      return;
    case kind::turned:
      if (at_.delivers && pass_ == pass::slices) {
        slice(*hub_row(), "deliver", at_.polled_at, at_.now);
        out_ << ",\"name\":\"deliver\"}";
      }
      at_.in_turn = at_.delivers = false;
      at_.remote = nullptr;
      return;
    case kind::post:
      if (pass_ == pass::posts) sent_[sent_count_++] = {r.about, at_.now, index_of(at_.delivers ? hub_row() : at_.runs)};
      return;
    default: at_.remote = pass_ == pass::posts ? nullptr : find_sent(r.about); return;
  }
}

void replay::tell_call(const record& r) noexcept {
  row* x = row_of(r);
  if (x == nullptr) return;
  if (static_cast<kind>(r.what) == kind::offload) {
    x->call_since = at_.now + 1;
    x->call = r.about;
    x->call_to = r.detail;
    return;
  }
  if (x->call_since == 0) return;
  const std::uint64_t since = x->call_since - 1;
  x->call_since = 0;
  if (pass_ != pass::slices) return;
  const std::uint64_t id = ++next_id_;
  constexpr const char* phases[] = {"b", "e"};
  for (const char* phase : phases) {
    event(phase, "offload", x->number, *phase == 'b' ? since : at_.now) << ",\"id\":" << id << ",\"name\":";
    if (const char* name = call_name(x->call))
      out_ << "\"" << name << "\"";
    else
      out_ << "\"system call " << x->call << "\"";
    if (*phase == 'b') {
      out_ << ",\"args\":{\"by\":\"" << (x->call_to == to_ring ? "io_uring" : "thread") << "\"}";
    } else {
      const auto result = static_cast<std::int64_t>(r.about);
      out_ << ",\"args\":{\"result\":" << (result < 0 ? "-" : "") << static_cast<std::uint64_t>(result < 0 ? -result : result) << "}";
    }
    out_ << "}";
  }
}

void replay::tell_signal(const record& r) noexcept {
  const row* x = (r.detail & of_the_hub) != 0 ? hub_row() : row_of(r);
  if (x == nullptr || pass_ != pass::slices) return;
  event("i", "signal", x->number, at_.now) << ",\"s\":\"t\",\"name\":\"signal " << r.about << "\"}";
}

void replay::tell_stall(const record& r) noexcept {
  const row* x = row_of(r);
  if (x == nullptr || pass_ != pass::slices) return;
  event("i", "watchdog", x->number, at_.now) << ",\"s\":\"t\",\"name\":\"nobody else has run for " << r.about / 1'000'000 << " ms: ";
  const char* call = r.name != 0 ? call_name(r.name - 1) : nullptr;
  out_ << (r.name == 0 ? "computes" : "waits in ") << (call != nullptr ? call : r.name != 0 ? "a system call" : "") << "\"}";
}

void replay::gather_words(const record& r) noexcept {
  std::size_t length = 0;
  while (at_.words[length] != 0) ++length;
  if (length + letters_in_piece > most_letters) return;
  sys::copy(at_.words + length, &r.about, sizeof r.about);
  sys::copy(at_.words + length + sizeof r.about, &r.name, sizeof r.name);
  at_.words[length + letters_in_piece] = 0;
}

void replay::finish_hub() noexcept {
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (rows_[i].hub == at_.number) end_state(rows_[i], at_.now, true);
}

// Who does what is done now.
void replay::note_source(row& r) noexcept {
  r.from_when = at_.now;
  if (at_.remote != nullptr) {
    r.from = at_.remote->from;
    r.from_when = at_.remote->when;
  } else {
    r.from = index_of(at_.delivers ? hub_row() : at_.runs);
  }
}

const label* replay::label_of(std::uint64_t who, std::uint32_t epoch) const noexcept {
  for (std::uint32_t i = 0; i < label_probes; ++i) {
    const label& l = head_.labels[(hash(who) + i) % label_count];
    if (l.who == who && l.first_epoch <= epoch && epoch <= l.last_epoch) return &l;
  }
  return nullptr;
}

row* replay::row_of(const record& r) noexcept {
  const label* l = label_of(r.who, r.epoch);
  std::uint64_t key = 0;
  if (l != nullptr && l->tid != 0) {
    key = l->tid | std::uint64_t{1} << 40;
  } else if (l != nullptr) {
    for (std::size_t i = 0; i < sizeof l->text && l->text[i] != 0; ++i)
      key = (key ^ static_cast<unsigned char>(l->text[i])) * 0x100000001b3;
  }
  bool fresh;
  row* x = rows_.find(r.who, key ^ std::uint64_t{at_.number} << 44, fresh);
  if (!fresh) return x;
  x->label = l;
  x->hub = at_.number;
  x->thread = at_.thread;
  constexpr std::uint32_t first_fiber = 5'000'000;  // above the kernel's thread ids, and below those of green threads
  x->number = l != nullptr && l->tid != 0 ? l->tid : first_fiber + ++next_fiber_;
  return x;
}

row* replay::hub_row() noexcept {
  if (at_.own != nullptr) return at_.own;
  bool fresh;
  row* x = rows_.find(0, at_.number, fresh);
  if (fresh) {
    constexpr std::uint32_t first_hub = 4'200'000;  // as above
    x->hub = at_.number;
    x->thread = at_.thread;
    x->number = first_hub + at_.number;
  }
  return at_.own = x;
}

std::uint64_t replay::time_of(const chunk& c, std::uint64_t when) const noexcept {
  if (c.virtual_time != 0) return when > head_.virtual_base ? when - head_.virtual_base : 0;
  if (when <= head_.first_cycles) return 0;
  const std::uint64_t cycles = head_.last_cycles - head_.first_cycles, ns = head_.last_ns - head_.first_ns;
  if (cycles == 0 || ns >> 24 >= cycles) return when - head_.first_cycles;
  // ns per cycle, 2^40 times: the quotient of a 128-bit number, which is no function call this way.
  std::uint64_t rate, rest;
  asm("divq %4" : "=a"(rate), "=d"(rest) : "a"(ns << 40), "d"(ns >> 24), "r"(cycles) : "cc");
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(when - head_.first_cycles) * rate >> 40);
}

std::uint64_t replay::last_time() const noexcept { return head_.last_ns - head_.first_ns; }

// By node, then by time. Shell sort: no recursion, no memory.
void replay::sort_sent() noexcept {
  const auto before = [](const sent& a, const sent& b) { return a.node != b.node ? a.node < b.node : a.when < b.when; };
  for (std::size_t gap = sent_count_ / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
    for (std::size_t i = gap; i < sent_count_; ++i) {
      const sent x = sent_[i];
      std::size_t at = i;
      for (; at >= gap && before(x, sent_[at - gap]); at -= gap) sent_[at] = sent_[at - gap];
      sent_[at] = x;
    }
}

// The latest one before now. A node is not sent again before it has arrived.
const replay::sent* replay::find_sent(std::uint64_t node) const noexcept {
  std::size_t low = 0, high = sent_count_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const sent& s = sent_[middle];
    if (s.node < node || (s.node == node && s.when <= at_.now))
      low = middle + 1;
    else
      high = middle;
  }
  return low != 0 && sent_[low - 1].node == node && sent_[low - 1].from != 0 ? &sent_[low - 1] : nullptr;
}

}  // namespace weft::trace
