#include "green/proc_texts.hpp"

#include <fcntl.h>

#include "core/hub.hpp"
#include "green/clocks.hpp"
#include "green/names.hpp"
#include "green/signals.hpp"
#include "io/signal_actions.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

// What is written, cut at the end of its room.
class writer {
public:
  explicit writer(char* to) noexcept : at_(to), begin_(to), end_(to + text_bytes) {}
  void put(char c) noexcept {
    if (at_ < end_) *at_++ = c;
  }
  void put(const char* text, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) put(text[i]);
  }
  void put(const char* text) noexcept { put(text, sys::length(text)); }
  void put(std::uint64_t n) noexcept {
    char digits[20];
    std::size_t count = 0;
    do digits[count++] = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    while (count > 0) put(digits[--count]);
  }
  void hex(std::uint64_t n) noexcept {
    for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[n >> shift & 15]);
  }
  std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

private:
  char *at_, *begin_, *end_;
};

bool same(const char* a, const char* b) noexcept {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

// A letter of proc(5): all green threads but the running one wait for something, be it their turn.
char state_of(const thread& t) noexcept {
  if (t.exited) return 'Z';
  return t.fiber->state == detail::fiber_state::parked ? 'S' : 'R';
}

// What is known without having the clocks of all threads kept from now on.
std::uint64_t used(const thread& t) noexcept { return t.cpu_ns; }

bool has_clock(const thread& t) noexcept { return &t != &leader() || clocks_run(); }

std::size_t read_kernels(const char* path, char* to) noexcept {
  const long fd = sys::raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  std::size_t n = 0;
  for (long got; n < text_bytes && (got = sys::raw(SYS_read, fd, to + n, text_bytes - n)) > 0;) n += static_cast<std::size_t>(got);
  sys::raw(SYS_close, fd);
  return n < text_bytes ? n : 0;
}

std::uint64_t number_at(const char* at) noexcept {
  std::uint64_t n = 0;
  for (; *at >= '0' && *at <= '9'; ++at) n = n * 10 + static_cast<std::uint64_t>(*at - '0');
  return n;
}

void put_name(writer& out, const thread& t) noexcept {
  char name[name_bytes];
  name_of(t, name);
  out.put(name);
}

std::uint64_t set_of_actions(bool ignored) noexcept {
  std::uint64_t set = 0;
  for (int number = 1; number <= io::most_signals; ++number) {
    const auto handler = reinterpret_cast<std::uintptr_t>(io::action_of(number).handler);
    if (ignored ? handler == reinterpret_cast<std::uintptr_t>(SIG_IGN) : handler > 1) set |= signal_bit(number);
  }
  return set;
}

// Fields of proc_pid_stat(5), from 1. The name, in parentheses, may hold anything.
void write_stat(writer& out, const char* from, const char* end, const thread& t, bool process) noexcept {
  const char* at = end;
  while (at > from && *at != ')') --at;
  if (*at != ')') return;
  out.put(process ? std::uint64_t{leader().tid} : t.tid);
  out.put(" (");
  put_name(out, t);
  out.put(')');
  constexpr std::uint64_t ns_per_clock = 10'000'000;
  const std::uint64_t clocks = used(t) / ns_per_clock;
  std::uint64_t user = 0;
  ++at;
  for (int field = 3; at < end && *at == ' '; ++field) {
    const char* const begin = ++at;
    while (at < end && *at != ' ' && *at != '\n') ++at;
    out.put(' ');
    const bool own_time = !process && has_clock(t);
    if (field == 3) {
      out.put(state_of(t));
    } else if (field == 14 && own_time) {
      // Which part of it was the system's, the carrier's own times tell.
      user = number_at(begin);
      const std::uint64_t system = number_at(at + 1), whole = user + system;
      user = whole == 0 ? clocks : clocks * user / whole;
      out.put(user);
    } else if (field == 15 && own_time) {
      out.put(clocks - user);
    } else if (field == 20) {
      out.put(threads_shown(number_at(begin)));
    } else if (field >= 31 && field <= 34 && are_virtual) {
      constexpr std::uint64_t shown = 0x7fffffff;
      const std::uint64_t sets[] = {t.signals.pending, t.signals.mask, set_of_actions(true), set_of_actions(false)};
      out.put(sets[field - 31] & shown);
    } else {
      out.put(begin, static_cast<std::size_t>(at - begin));
    }
  }
  out.put('\n');
}

// A line of status that is not the carrier's; false: it is.
bool write_line(writer& out, const char* key, const char* value, const thread& t, bool process) noexcept {
  const auto set = [&](std::uint64_t signals) { out.hex(signals); };
  if (same(key, "Name")) put_name(out, t);
  else if (same(key, "State"))
    out.put(state_of(t) == 'R' ? "R (running)" : state_of(t) == 'S' ? "S (sleeping)" : "Z (zombie)");
  else if (same(key, "Pid") || same(key, "NSpid"))
    out.put(process ? std::uint64_t{leader().tid} : t.tid);
  else if (same(key, "Threads"))
    out.put(threads_shown(number_at(value)));
  else if (same(key, "SigPnd") && are_virtual)
    set(t.signals.pending);
  else if (same(key, "SigBlk") && are_virtual)
    set(t.signals.mask);
  else if (same(key, "SigIgn") && are_virtual)
    set(set_of_actions(true));
  else if (same(key, "SigCgt") && are_virtual)
    set(set_of_actions(false));
  else
    return false;
  return true;
}

void write_status(writer& out, const char* at, const char* end, const thread& t, bool process) noexcept {
  while (at < end) {
    const char* stop = at;
    while (stop < end && *stop != '\n') ++stop;
    char key[16];
    std::size_t n = 0;
    for (; n < sizeof key - 1 && at + n < stop && at[n] != ':'; ++n) key[n] = at[n];
    key[n] = 0;
    const char* value = at + n;
    while (value < stop && (*value == ':' || *value == '\t' || *value == ' ')) ++value;
    // With a namespace of processes there are several numbers, which only the kernel knows.
    bool several = false;
    for (const char* c = value; c < stop; ++c) several = several || *c == '\t';
    const std::size_t before = out.size();
    out.put(at, static_cast<std::size_t>(value - at));
    if ((several && same(key, "NSpid")) || !write_line(out, key, value, t, process)) out.put(value, static_cast<std::size_t>(stop - value));
    if (out.size() > before) out.put('\n');
    at = stop + 1;
  }
}

void write_schedstat(writer& out, const char* at, const char* end, const thread& t) noexcept {
  const std::uint64_t carriers = number_at(at);
  out.put(has_clock(t) ? used(t) : carriers);
  while (at < end && *at != ' ') ++at;
  out.put(at, static_cast<std::size_t>(end - at));
}

}  // namespace

proc_text text_named(const char* name) noexcept {
  if (same(name, "stat")) return proc_text::stat;
  if (same(name, "status")) return proc_text::status;
  return same(name, "schedstat") ? proc_text::schedstat : proc_text::none;
}

std::uint64_t threads_shown(std::uint64_t in_kernel) noexcept {
  if (!natives) return alive;
  const std::uint64_t known = 1 + core::own_threads.load_relaxed();
  return alive + (in_kernel > known ? in_kernel - known : 0);
}

std::size_t write_text(proc_text which, thread& t, bool process, char* to) noexcept {
  auto* kernels = static_cast<char*>(sys::map(text_bytes + sys::page_size));  // zeroes behind the text
  if (kernels == nullptr) return 0;
  const char* path = which == proc_text::stat ? (process ? "/proc/self/stat" : "/proc/thread-self/stat")
                     : which == proc_text::status ? "/proc/thread-self/status" : "/proc/thread-self/schedstat";
  const std::size_t n = read_kernels(path, kernels);
  writer out(to);
  if (n != 0) {
    if (which == proc_text::stat) write_stat(out, kernels, kernels + n, t, process);
    if (which == proc_text::status) write_status(out, kernels, kernels + n, t, process);
    if (which == proc_text::schedstat) write_schedstat(out, kernels, kernels + n, t);
  }
  sys::unmap(kernels, text_bytes + sys::page_size);
  return out.size() < text_bytes ? out.size() : 0;
}

}  // namespace weft::green
