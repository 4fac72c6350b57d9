#include "patch/apply.hpp"

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "patch/stop_threads.hpp"
#include "patch/window.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_DISCARD_TRANSLATIONS(at, bytes) ((void)0)
#endif

namespace weft::patch {
namespace {

range pages(range r) {
  return {r.begin & ~(sys::page_size - 1), sys::round_up(r.end, sys::page_size)};
}

long protect(range r, int rights) {
  const range p = pages(r);
  return sys::raw(SYS_mprotect, p.begin, p.size(), rights);
}

constexpr int readable_code = PROT_READ | PROT_EXEC;

// Everything from here to its end happens while other threads stand still: no allocation, no lock, no libc.
struct signals_blocked {
  unsigned long before = 0;
  signals_blocked() {
    const unsigned long all = ~0ul;
    sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, 8);
  }
  ~signals_blocked() { sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, 8); }
};

struct write_outcome {
  long refused = 0;  // -errno of mprotect
  std::size_t segment = 0;
};

write_outcome write_all(const std::vector<segment_changes>& segments) {
  for (std::size_t k = 0; k < segments.size(); ++k) {
    const long r = protect(segments[k].text, readable_code | PROT_WRITE);
    if (r == 0) continue;
    for (std::size_t undo = 0; undo < k; ++undo) protect(segments[undo].text, readable_code);
    return {r, k};
  }
  for (const segment_changes& s : segments) {
    for (const text_change& c : s.changes) {
      std::uint8_t bytes[256];
      encode(c, bytes);
      sys::copy(reinterpret_cast<void*>(c.at), bytes, c.length);
    }
    VALGRIND_DISCARD_TRANSLATIONS(reinterpret_cast<void*>(s.text.begin), s.text.size());
    protect(s.text, readable_code);
  }
  return {};
}

std::string name_of(const thread_stop& stop, stop_outcome o) {
  switch (o) {
    case stop_outcome::no_answer:
      return "thread " + std::to_string(stop.silent_thread()) + " does not answer the stop signal: it blocks all signals or "
             "waits uninterruptibly";
    case stop_outcome::cannot_signal: return "the stop signal cannot be sent (RLIMIT_SIGPENDING, memory)";
    case stop_outcome::no_proc: return "/proc/self/task cannot be read";
    case stop_outcome::stopped: break;
  }
  return {};
}

}  // namespace

void encode(const text_change& c, std::uint8_t* bytes) noexcept {
  const auto distance = static_cast<std::int32_t>(c.target - (c.at + jump_length));
  sys::fill(bytes, 0xcc, c.length);
  bytes[0] = 0xe9;
  sys::copy(bytes + 1, &distance, sizeof distance);
}

const char* describe(error e) noexcept {
  switch (e) {
    case error::none: return "no error";
    case error::no_decoder: return "the instruction decoder cannot be loaded";
    case error::no_such_object: return "no such object, or one that is never patched";
    case error::no_near_memory: return "no executable memory near the text";
    case error::text_not_writable: return "text cannot be made writable";
    case error::threads_not_stopped: return "another thread cannot be stopped";
  }
  return "?";
}

applied apply(const std::vector<segment_changes>& segments, std::vector<moved_address> moved,
              std::vector<restart_point> restarts, std::uint64_t patience_ns) {
  // One object's are sorted already.
  const auto by_place = [](const auto& a, const auto& b) { return a.from < b.from; };
  if (!std::is_sorted(moved.begin(), moved.end(), by_place)) std::sort(moved.begin(), moved.end(), by_place);
  std::sort(restarts.begin(), restarts.end(), [](const auto& a, const auto& b) { return a.behind_site < b.behind_site; });

  thread_stop stop;
  stop_outcome stopped;
  write_outcome written;
  {
    const signals_blocked quiet;
    stopped = stop.stop(patience_ns, moved.data(), moved.size(), restarts.data(), restarts.size());
    if (stopped == stop_outcome::stopped) {
      written = write_all(segments);
      stop.resume(written.refused == 0);
    }
  }
  applied result;
  result.threads = stop.count();
  if (stopped != stop_outcome::stopped) {
    result.code = error::threads_not_stopped;
    result.text = name_of(stop, stopped);
  } else if (written.refused != 0) {
    result.code = error::text_not_writable;
    result.text = std::string("mprotect: ") + std::strerror(static_cast<int>(-written.refused));
    result.segment = written.segment;
  }
  return result;
}

}  // namespace weft::patch
