// The recorder: each hub fills chunks of one ring that all hubs of the process share, so that what is kept is the newest of all.
//
// Who writes where needs no lock: a chunk belongs to one hub until it is full, and places in it are given out by one instruction, which
// a signal handler on top of it cannot split. `generation` tells a hub that its chunk is of an earlier trace, or of the parent of a fork.
#include "core/trace.hpp"

#include "sys/atomic.hpp"
#include "sys/clock.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::core::trace {

std::uint32_t (*thread_label)(const fiber_base* f, char* text) noexcept = nullptr;

namespace {

sys::atomic<std::uint32_t> recording;
sys::atomic<std::uint32_t> generation;
enum making : std::uint32_t { made, to_be_made, being_made };
sys::atomic<std::uint32_t> memory;  // a making: whether current.map is of this trace and of this process

void count(std::uint64_t& what, std::uint64_t n) noexcept { __atomic_add_fetch(&what, n, __ATOMIC_RELAXED); }

// One instruction: what a signal handler records meanwhile gets another place.
std::uint32_t next_place(chunk& c) noexcept {
  std::uint32_t place = 1;
  asm volatile("xaddl %0, %1" : "+r"(place), "+m"(c.used) : : "memory", "cc");
  return place;
}

std::uint64_t stamp(hub& h) noexcept {
  trace_writer& w = h.tracer;
  // A virtual clock stands still while fibers run: each record comes a nanosecond later, so that order is seen.
  std::uint64_t t = h.virtual_time ? h.virtual_now : sys::cycles();
  if (h.virtual_time && t <= w.last) t = w.last + 1;
  return w.last = t;
}

void give_back(chunk& c) noexcept {
  if (c.used > records_in_chunk) c.used = records_in_chunk;
  __atomic_store_n(&c.open, 0, __ATOMIC_RELEASE);
}

// The oldest chunk that nobody writes; null when all are taken.
chunk* take_chunk(const hub& h) noexcept {
  header& all = head(current.map);
  for (std::uint32_t tries = 0; tries < all.chunks; ++tries) {
    const std::uint64_t sequence = __atomic_fetch_add(&all.next_chunk, 1, __ATOMIC_RELAXED);
    chunk& c = chunks_of(current.map)[sequence % all.chunks];
    std::uint32_t closed = 0;
    if (!__atomic_compare_exchange_n(&c.open, &closed, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) continue;
    count(all.overwritten, c.used);
    c.used = 0;
    c.sequence = sequence;
    c.hub = h.tracer.number;
    c.thread = h.thread;
    c.virtual_time = h.virtual_time;
    if (h.virtual_time && all.virtual_base == 0) all.virtual_base = h.virtual_now;
    note_clocks();
    return &c;
  }
  return nullptr;
}

void describe_all(hub& h, const fiber_base* besides) noexcept;

// Whoever records first makes the memory; others wait. Not a handler on top of it, whose hub is `opening`.
bool has_memory() noexcept {
  std::uint32_t state = memory.load_acquire();
  while (state != to_be_made || !memory.compare_exchange(state, being_made)) {
    if (state == made) return current.map != nullptr;
    sys::raw(SYS_sched_yield);
    state = memory.load_acquire();
  }
  const bool fine = make();
  if (!fine) recording.store_seq_cst(0);
  memory.store_seq_cst(made);
  return fine;
}

// Binds the writer to a fresh chunk. False: no record can be made now. The record that is to come says itself what `besides` is at.
bool turn_page(hub& h, const fiber_base* besides = nullptr) noexcept {
  trace_writer& w = h.tracer;
  if (w.opening != 0 || !on()) return false;
  w.opening = 1;
  const std::uint32_t present = generation.load_acquire();
  const bool first = w.generation != present;
  if (first) w.at = nullptr;  // of an earlier trace, whose memory this is no more
  if (!has_memory()) {
    w.opening = 0;
    return false;
  }
  if (first) {
    w.in_turn = 0;
    w.generation = present;
    w.number = __atomic_add_fetch(&head(current.map).hubs, 1, __ATOMIC_RELAXED);
  }
  if (w.at != nullptr) give_back(*w.at);
  w.at = take_chunk(h);
  w.quiet_since = 0;
  w.opening = 0;
  if (w.at == nullptr) {
    count(head(current.map).lost, 1);
    return false;
  }
  if (first) describe_all(h, besides);
  return true;
}

bool current_page(const hub& h) noexcept {
  const trace_writer& w = h.tracer;
  return w.at != nullptr && w.generation == generation.load_relaxed() && w.at->virtual_time == h.virtual_time;
}

// Before what a record refers to is written: both go to the same trace.
bool has_page(hub& h, const fiber_base* besides = nullptr) noexcept { return current_page(h) || turn_page(h, besides); }

record* place(hub& h) noexcept {
  while (has_page(h)) {
    const std::uint32_t n = next_place(*h.tracer.at);
    if (n < records_in_chunk) [[likely]]
      return &h.tracer.at->at[n];
    if (!turn_page(h)) break;
  }
  return nullptr;
}

void note_all(hub& h, kind what, std::uint64_t who, std::uint32_t epoch, std::uint8_t detail, std::uint64_t about,
          std::uint32_t name = 0) noexcept {
  record* r = place(h);
  if (r == nullptr) return;
  r->epoch = epoch;
  r->name = name;
  r->about = about;
  r->when = stamp(h);
  r->who = who & 0xffff'ffff'ffff;
  r->detail = detail;
  r->what = static_cast<std::uint8_t>(what);
}

void note(hub& h, kind what, const fiber_base* f, std::uint8_t detail = 0, std::uint64_t about = 0, std::uint32_t name = 0) noexcept {
  note_all(h, what, reinterpret_cast<std::uint64_t>(f), f->epoch, detail, about, name);
}

void note_hub(hub& h, kind what, std::uint64_t about) noexcept { note_all(h, what, 0, 0, 0, about); }

void note_words(hub& h, const fiber_base* f, const char* text) noexcept {
  for (std::size_t at = 0; text[at] != 0 && at < most_letters;) {
    char piece[letters_in_piece] = {};
    for (std::size_t i = 0; i < letters_in_piece && text[at] != 0; ++i) piece[i] = text[at++];
    std::uint64_t about;
    std::uint32_t name;
    sys::copy(&about, piece, sizeof about);
    sys::copy(&name, piece + sizeof about, sizeof name);
    note(h, kind::words, f, 0, about, name);
  }
}

std::size_t copy_text(char* to, std::size_t size, const char* from) noexcept {
  std::size_t n = 0;
  for (; n + 1 < size && from[n] != 0; ++n) to[n] = from[n];
  to[n] = 0;
  return n;
}

// The index of a reason's text, plus 1; 0 when there are too many.
std::uint32_t name_of(const char* text) noexcept {
  name* names = head(current.map).names;
  const auto key = reinterpret_cast<std::uint64_t>(text);
  for (std::uint32_t i = hash(key), tries = 0; tries < 32; ++i, ++tries) {
    name& n = names[i % name_count];
    std::uint64_t there = __atomic_load_n(&n.key, __ATOMIC_RELAXED);
    if (there == key) return i % name_count + 1;
    if (there != 0) continue;
    if (__atomic_compare_exchange_n(&n.key, &there, key, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      copy_text(n.text, sizeof n.text, text);
      return i % name_count + 1;
    }
    if (there == key) return i % name_count + 1;
  }
  return 0;
}

class labels_held {
public:
  labels_held() noexcept {
    while (__atomic_exchange_n(&head(current.map).labels_lock, 1, __ATOMIC_ACQUIRE) != 0) sys::raw(SYS_sched_yield);
  }
  ~labels_held() { __atomic_store_n(&head(current.map).labels_lock, 0, __ATOMIC_RELEASE); }
  labels_held(const labels_held&) = delete;
  labels_held& operator=(const labels_held&) = delete;
};

constexpr std::uint32_t still_alive = ~std::uint32_t{0};

struct label* find_label(const fiber_base* f) noexcept {
  const auto who = reinterpret_cast<std::uint64_t>(f) & 0xffff'ffff'ffff;
  for (std::uint32_t i = 0; i < label_probes; ++i) {
    struct label& l = head(current.map).labels[(hash(who) + i) % label_count];
    if (l.who == who && l.first_epoch <= f->epoch && l.last_epoch == still_alive) return &l;
  }
  return nullptr;
}

// One that is free, or whose fiber has been over for longest.
struct label* place_for_label(const fiber_base* f) noexcept {
  const auto who = reinterpret_cast<std::uint64_t>(f) & 0xffff'ffff'ffff;
  struct label* best = nullptr;
  for (std::uint32_t i = 0; i < label_probes; ++i) {
    struct label& l = head(current.map).labels[(hash(who) + i) % label_count];
    if (l.who == 0) return &l;
    if (l.last_epoch != still_alive && best == nullptr) best = &l;
  }
  return best;
}

void name_fiber(hub& h, const fiber_base* f) noexcept {
  if (f->green && thread_label != nullptr) {
    char text[16];
    const std::uint32_t tid = thread_label(f, text);
    if (tid != 0) return label(h, f, text, tid);
  }
  if (f->is_main)
    label(h, f, "main", 0);
  else if (f->extra != nullptr && f->extra->name != nullptr)
    label(h, f, f->extra->name, 0);
}

bool is_hubs_own(const hub& h, const fiber_base* f) noexcept { return f == h.idler || f == h.tasks.driver; }

// The first records of a hub: what its fibers are at.
void describe_all(hub& h, const fiber_base* besides) noexcept {
  each_fiber(h, [&](const fiber_base* f) {
    if (is_hubs_own(h, f)) return;
    name_fiber(h, f);
    if (f == besides) return;
    if (f->state == fiber_state::parked && f->parked != nullptr)
      note(h, kind::park, f, about_nothing, 0, name_of(f->parked->reason));
    else if (f->state == fiber_state::ready || f->state == fiber_state::created)
      note(h, kind::ready, f, seen);
  });
  const fiber_base* current_one = h.block->current;
  if (current_one->state == fiber_state::running) note(h, kind::run, current_one, is_hubs_own(h, current_one) ? of_the_hub : 0);
}

}  // namespace

bool on() noexcept { return recording.load_relaxed() != 0; }

void run(hub& h, const fiber_base* f) noexcept { note(h, kind::run, f, is_hubs_own(h, f) ? of_the_hub : 0); }

void park(hub& h, const waiter& w, detail::nanos deadline) noexcept {
  trace_writer& t = h.tracer;
  if (!has_page(h, w.fiber)) return;
  const std::uint32_t name = name_of(w.reason);
  if (deadline != detail::never) note(h, kind::until, w.fiber, 0, deadline);
  if (t.about_what == about_name) note_words(h, w.fiber, reinterpret_cast<const char*>(t.about));
  note(h, kind::park, w.fiber, static_cast<std::uint8_t>(t.about_what), t.about_what == about_name ? 0 : t.about, name);
  t.about_what = 0;
}

void wake(hub& h, const fiber_base* f, detail::wake why) noexcept { note(h, kind::wake, f, static_cast<std::uint8_t>(why)); }

void ready(hub& h, const fiber_base* f, turn_over why) noexcept {
  if (has_page(h, f)) note(h, kind::ready, f, why);
}

void spawn(hub& h, const fiber_base* f) noexcept {
  if (!has_page(h, f)) return;
  note(h, kind::spawn, f);
  name_fiber(h, f);
}

void end(hub& h, const fiber_base* f) noexcept {
  note(h, kind::end, f);
  if (!has_page(h)) return;
  const labels_held lock;
  if (struct label* l = find_label(f)) l->last_epoch = f->epoch;
}

void turn(hub& h, std::uint64_t timeout) noexcept {
  h.tracer.in_turn = 1;
  note_hub(h, kind::turn, timeout);
}

void polled(hub& h, int reported) noexcept {
  note_hub(h, kind::polled, static_cast<std::uint64_t>(reported));
  if (h.tracer.at != nullptr) h.tracer.quiet_since = h.tracer.at->used;
}

void turned(hub& h) noexcept {
  h.tracer.in_turn = 0;
  // Nothing came of it: not worth a record, since a run comes next, unless somebody runs already. A virtual clock moves on after the
  // turn, and then timers wake.
  const fiber_base* f = h.block->current;
  const bool run_comes = f->state != fiber_state::running || is_hubs_own(h, f);
  if (run_comes && !h.virtual_time && h.tracer.at != nullptr && h.tracer.at->used == h.tracer.quiet_since) return;
  note_hub(h, kind::turned, 0);
}

void post(remote_node& n) noexcept {
  hub* h = detail::try_hub();
  if (h != nullptr && h->traced) note_hub(*h, kind::post, reinterpret_cast<std::uint64_t>(&n));
}

void remote(hub& h, remote_node& n) noexcept { note_hub(h, kind::remote, reinterpret_cast<std::uint64_t>(&n)); }

void offload(hub& h, long call, offloaded_to to) noexcept {
  note(h, kind::offload, h.block->current, to, static_cast<std::uint64_t>(call));
}

void done(hub& h, const fiber_base* maker, long result) noexcept { note(h, kind::done, maker, 0, static_cast<std::uint64_t>(result)); }

void signal(int number) noexcept {
  hub* h = detail::try_hub();
  if (h == nullptr || !h->traced) return;
  const fiber_base* f = h->block->current;
  note(*h, kind::signal, f, is_hubs_own(*h, f) ? of_the_hub : 0, static_cast<std::uint64_t>(number));
}

void stall(hub& h, detail::nanos lasted, long system_call) noexcept {
  note(h, kind::stall, h.block->current, 0, lasted, system_call < 0 ? 0 : static_cast<std::uint32_t>(system_call) + 1);
}

void label(hub& h, const fiber_base* f, const char* text, std::uint32_t tid) noexcept {
  if (!has_page(h)) return;
  const labels_held lock;
  struct label* l = find_label(f);
  if (l == nullptr && (l = place_for_label(f)) == nullptr) return count(head(current.map).unnamed, 1);
  if (l->who == 0 || l->last_epoch != still_alive) {
    l->first_epoch = f->epoch;
    l->last_epoch = still_alive;
    l->is_main = f->is_main;
  }
  l->tid = tid;
  copy_text(l->text, sizeof l->text, text);
  l->who = reinterpret_cast<std::uint64_t>(f) & 0xffff'ffff'ffff;
}

void begin() noexcept {
  memory.store_seq_cst(to_be_made);
  generation.add(1);
  recording.store_seq_cst(1);
}

void stop() noexcept { recording.store_seq_cst(0); }

void after_fork(hub* h) noexcept {
  if (h != nullptr) {
    h->tracer = {};
    if (!on()) h->traced = false;
  }
  memory.store_seq_cst(to_be_made);
  generation.add(1);
}

void hub_over(hub& h) noexcept {
  end(h, &h.main);
  h.traced = false;
  if (h.tracer.at != nullptr && h.tracer.generation == generation.load_relaxed()) give_back(*h.tracer.at);
  h.tracer.at = nullptr;
}

}  // namespace weft::core::trace
