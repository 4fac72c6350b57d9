// The table. Printed by raw system calls from within the program's last one, whatever locks its threads hold.
#include "green/stats.hpp"

#include <fcntl.h>

#include "green/end.hpp"
#include "green/thread.hpp"
#include "io/dispatch.hpp"
#include "sys/features.hpp"
#include "sys/mem.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct settings {
  long first = 0;        // the process that tells of itself in any case; 0: each that was not forked
  long process = 0;      // whose figures these are
  bool forked = false;
  int sites = 0;
  core::counters before{};  // what the hub had counted when this process began
} run;

constexpr std::size_t label_width = 40, number_width = 14;

void pad(sys::report& out, std::size_t n) noexcept {
  while (n-- > 0) out << " ";
}

// 1234567 as "1,234,567", ending in the same column.
void put_number(sys::report& out, std::uint64_t number) noexcept {
  char text[32];
  std::size_t at = sizeof text;
  text[--at] = 0;
  for (int digits = 0; digits == 0 || number != 0; ++digits, number /= 10) {
    if (digits != 0 && digits % 3 == 0) text[--at] = ',';
    text[--at] = static_cast<char>('0' + number % 10);
  }
  const std::size_t length = sizeof text - 1 - at;
  pad(out, length < number_width ? number_width - length : 0);
  out << &text[at];
}

void label(sys::report& out, const char* text) noexcept {
  const std::size_t n = sys::length(text);
  out << "  " << text;
  pad(out, n < label_width ? label_width - n : 1);
}

void line(sys::report& out, const char* text, std::uint64_t number, const char* unit = "") noexcept {
  label(out, text);
  put_number(out, number);
  out << unit << "\n";
}

bool same(const char* a, const char* b) noexcept {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

// Groups of calls (io::door_entry::group) and their parks, each once.
struct group_parks {
  const char* name;
  std::uint64_t parks;
};

void put_parks_by_group(sys::report& out) noexcept {
  group_parks groups[32];
  std::size_t count = 0;
  bool seen[sizeof call_counts / sizeof *call_counts];
  sys::fill(seen, 0, sizeof seen);
  io::each_door([&](const io::door_entry& row) {
    if (seen[row.nr]) return;
    seen[row.nr] = true;
    if (call_counts[row.nr].parks == 0) return;
    std::size_t i = 0;
    while (i < count && !same(groups[i].name, row.group)) ++i;
    if (i == sizeof groups / sizeof *groups) return;
    if (i == count) groups[count++] = {row.group, 0};
    groups[i].parks += call_counts[row.nr].parks;
  });
  for (std::size_t i = 0; i < count; ++i) {
    label(out, i == 0 ? "  of them in calls of the group" : "");
    put_number(out, groups[i].parks);
    out << "  " << groups[i].name << "\n";
  }
}

// Their calls have not come back, and are in no group.
std::uint64_t still_parked() noexcept {
  std::uint64_t n = 0;
  if (home != nullptr) each([&](const thread& t) { n += t.fiber->parked != nullptr; });
  return n;
}

// A number of /proc/self/status; 0 where it cannot be read.
std::uint64_t status_field(const char* text, const char* name) noexcept {
  const std::size_t n = sys::length(name);
  for (; *text != 0; ++text) {
    std::size_t i = 0;
    while (i < n && text[i] == name[i]) ++i;
    if (i == n) {
      std::uint64_t number = 0;
      for (text += n; *text == ' ' || *text == '\t'; ++text) {
      }
      for (; *text >= '0' && *text <= '9'; ++text) number = number * 10 + static_cast<std::uint64_t>(*text - '0');
      return number;
    }
    while (text[0] != 0 && text[1] != 0 && *text != '\n') ++text;
  }
  return 0;
}

void read_whole(const char* path, char* into, std::size_t size) noexcept {
  into[0] = 0;
  const long fd = sys::raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  const long n = sys::raw(SYS_read, fd, into, size - 1);
  into[n > 0 ? n : 0] = 0;
  sys::raw(SYS_close, fd);
}

void put_machine(sys::report& out) noexcept {
  char text[2048];
  read_whole("/proc/self/status", text, sizeof text);
  line(out, "OS threads at the end", status_field(text, "Threads:"));
  line(out, "most memory (resident)", status_field(text, "VmHWM:"), " kB");
}

void put_title(sys::report& out) noexcept {
  char name[32];
  read_whole("/proc/self/comm", name, sizeof name);
  for (char* c = name; *c != 0; ++c)
    if (*c == '\n') *c = 0;
  out << "what " << name << " (process " << static_cast<std::uint64_t>(run.process) << ") did\n";
}

char where[4096];  // WEFT_STATS at the start

// A path is opened only now, and appended to, since the processes of a run share it. Many programs have closed descriptor 2 by now.
int descriptor(const char* asked) noexcept {
  if (*asked != '/') return 2;
  return static_cast<int>(sys::raw(SYS_openat, AT_FDCWD, asked, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
}

void report_stats() noexcept {
  const long process = sys::raw(SYS_getpid);
  if (process != run.process) return;  // the child of a vfork, which ends in its parent's memory
  if (stats.created == 0 && (run.forked || (run.first != 0 && run.first != process))) return;
  const core::counters none{};
  const core::counters& now = home != nullptr ? home->stats : none;
  const std::uint64_t parks = now.parks - run.before.parks;
  const call_count& futex = call_counts[SYS_futex];
  sys::report out(descriptor(where));
  put_title(out);
  line(out, "green threads created", stats.created);
  line(out, "most alive at once, main included", stats.most);
  line(out, "carriers", home != nullptr ? 1 : 0);
  put_machine(out);
  line(out, "system call sites patched", static_cast<std::uint64_t>(run.sites));
  line(out, "switches", parks + now.other_switches - run.before.other_switches);
  line(out, "parks", parks);
  put_parks_by_group(out);
  line(out, "  not over at the end", still_parked());
  line(out, "preemptions", stats.preemptions);
  line(out, "futex calls", futex.made);
  line(out, "  of them answered in user space", futex.answered);
  line(out, "calls offloaded", now.offloads - run.before.offloads);
}

// Programs that show a title in the place of their arguments (nginx) write over the environment.
void keep_where(const char* asked) noexcept {
  std::size_t size = 0;
  while (asked[size] != 0 && size < sizeof where - 1) ++size;
  sys::copy(where, asked, size);
}

void (*then)() noexcept = nullptr;  // what was to be called there before

}  // namespace

void start_stats(int sites_patched) noexcept {
  const char* asked = sys::env("WEFT_STATS");
  if (asked == nullptr || *asked == 0 || (asked[0] == '0' && asked[1] == 0)) return;
  keep_where(asked);
  long first = 0;
  for (const char* c = asked; *c >= '0' && *c <= '9'; ++c) first = first * 10 + (*c - '0');
  run.first = first == 1 ? 0 : first;
  run.process = sys::raw(SYS_getpid);
  run.sites = sites_patched;
  count_calls();
  then = before_exit;
  before_exit = []() noexcept {
    report_stats();
    if (then != nullptr) then();
  };
}

void stats_after_fork() noexcept {
  stats = {};
  stats.most = 1;
  if (run.process == 0) return;
  run.process = sys::raw(SYS_getpid);
  run.forked = true;
  run.before = home != nullptr ? home->stats : core::counters{};
  sys::fill(call_counts, 0, sizeof call_counts);
}

void stats_at_first_thread() noexcept {
  if (run.process != 0 && run.process != sys::raw(SYS_getpid)) stats_after_fork();
}

}  // namespace weft::green
