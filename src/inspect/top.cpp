// weft top: what a process does, refreshed. Samples the running process and never stops it: a figure may be off by what moved meanwhile.
//
// A fiber's epoch grows with each wait that ends, so two looks tell how often each waited in between, without anything being counted in
// the process. Who runs is asked many times between two looks.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <thread>
#include <unistd.h>

#include "inspect/commands.hpp"
#include "inspect/fibers.hpp"
#include "inspect/text.hpp"

namespace weft::inspect {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto between_samples = 10ms;

// CPU time of all threads, in seconds.
double cpu_seconds(const process& p) {
  const std::string stat = file_text(p.proc("stat"));
  const std::size_t behind_name = stat.rfind(')');
  unsigned long user = 0, system = 0;
  if (behind_name == std::string::npos ||
      std::sscanf(stat.c_str() + behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    return 0;
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct sample {
  std::vector<hub> hubs;
  std::vector<fiber> fibers;
  clock::time_point at;
  double cpu = 0;
};

sample take(const process& p, memory& m, reader& r) {
  sample s;
  m.forget();
  s.at = clock::now();
  s.cpu = cpu_seconds(p);
  s.hubs = r.hubs();
  for (std::size_t i = 0; i < s.hubs.size(); ++i) {
    auto more = r.fibers(s.hubs[i], i);
    std::move(more.begin(), more.end(), std::back_inserter(s.fibers));
  }
  r.fetch_stacks(s.fibers, 0);
  r.describe(s.fibers);
  if (m.refused() != 0) p.refuse(m.refused());
  return s;
}

using hits = std::map<address, std::size_t>;  // how often each fiber was seen to run

// Until `until`, who runs. The number of looks at hubs that were awake.
std::size_t watch(memory& m, reader& r, clock::time_point until, hits& seen) {
  std::size_t looks = 0;
  while (clock::now() + between_samples < until) {
    std::this_thread::sleep_for(between_samples);
    m.forget();
    for (const hub& h : r.hubs()) {
      ++looks;
      if (!h.sleeping) ++seen[h.current];
    }
    if (m.refused() != 0) break;
  }
  std::this_thread::sleep_until(until);
  return looks;
}

std::string rate(std::uint64_t now, std::uint64_t before, double seconds) {
  return grouped(now > before ? static_cast<std::uint64_t>(static_cast<double>(now - before) / seconds + 0.5) : 0);
}

std::string percent(double part) {
  char text[16];
  std::snprintf(text, sizeof text, "%.0f %%", part * 100);
  return text;
}

std::string head(const process& p, const sample& now, const sample& before, double seconds) {
  std::size_t running = 0, ready = 0, parked = 0;
  for (const fiber& f : now.fibers) {
    if (f.service) continue;
    (f.state == fiber_state::parked ? parked : f.state == fiber_state::running ? running : ready) += 1;
  }
  char text[16] = {};
  const std::time_t t = std::time(nullptr);
  std::strftime(text, sizeof text, "%H:%M:%S", std::localtime(&t));
  return std::string(text) + "  process " + std::to_string(p.pid()) + " (" + printable(p.name()) + "), CPU " +
         percent((now.cpu - before.cpu) / seconds) + ": " + grouped(running + ready + parked) + " fibers, " + grouped(running) +
         " running, " +
         grouped(ready) + " ready, " + grouped(parked) + " parked\n";
}

std::string hub_rows(const sample& now, const sample& before, double seconds) {
  table t({"OS THREAD", "SWITCHES/s", "PARKS/s", "POLLS/s", "EVENTS/s", "TIMERS/s", "OFFLOADS/s", "CREATED/s", "READY", "DELAY"});
  for (std::size_t c = 0; c < 10; ++c) t.align_right(c);
  for (std::size_t i = 0; i < now.hubs.size(); ++i) {
    const hub& h = now.hubs[i];
    const auto old = std::find_if(before.hubs.begin(), before.hubs.end(), [&](const hub& b) { return b.at == h.at; });
    if (old == before.hubs.end()) continue;
    const auto ready = static_cast<std::size_t>(std::count_if(now.fibers.begin(), now.fibers.end(), [&](const fiber& f) {
      return f.hub == i && (f.state == fiber_state::ready || f.state == fiber_state::created);
    }));
    // Little's law: who stands in a queue of that length waits so long at that rate.
    const std::uint64_t switches = h.switches - old->switches;
    const double waiting = static_cast<double>(ready) * seconds * 1e9 / static_cast<double>(std::max<std::uint64_t>(switches, 1));
    const std::string delay = ready == 0 ? "-" : switches == 0 ? "for ever" : duration(static_cast<std::uint64_t>(waiting));
    t.add({std::to_string(h.thread), rate(h.switches, old->switches, seconds), rate(h.parks, old->parks, seconds),
           rate(h.polls, old->polls, seconds), rate(h.io_events, old->io_events, seconds), rate(h.timers_fired, old->timers_fired, seconds),
           rate(h.offloads, old->offloads, seconds), rate(h.created, old->created, seconds), grouped(ready), delay});
  }
  return t.text(0);
}

struct activity {
  const fiber* who;
  std::uint64_t waits;    // since the look before
  double ran;             // part of the samples
};

std::vector<activity> activities(const sample& now, const sample& before, const hits& seen, std::size_t looks) {
  std::unordered_map<address, std::uint32_t> epochs;
  for (const fiber& f : before.fibers) epochs[f.at] = f.epoch;
  std::vector<activity> out;
  for (const fiber& f : now.fibers) {
    const auto old = epochs.find(f.at);
    const auto hit = seen.find(f.at);
    out.push_back({&f, old != epochs.end() ? f.epoch - old->second : 0,
                   hit != seen.end() && looks != 0 ? static_cast<double>(hit->second) / static_cast<double>(looks) : 0});
  }
  return out;
}

// Each wait is put down to what its fiber waits for now: threads tend to wait for the same again.
std::string reason_rows(const std::vector<activity>& all, double seconds) {
  struct count {
    std::size_t now = 0;
    std::uint64_t waits = 0;
  };
  std::map<std::string, count> reasons;
  for (const activity& a : all) {
    if (a.who->service) continue;
    const bool parked = a.who->state == fiber_state::parked && !a.who->wait.reason.empty();
    count& c = reasons[parked ? printable(a.who->wait.reason) : "(runs)"];
    ++c.now;
    c.waits += a.waits;
  }
  std::vector<std::pair<std::string, count>> sorted(reasons.begin(), reasons.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second.waits > b.second.waits; });
  table t({"PARKED IN", "FIBERS", "WAITS/s"});
  t.align_right(1);
  t.align_right(2);
  for (const auto& [reason, c] : sorted) t.add({reason, grouped(c.now), rate(c.waits, 0, seconds)});
  return t.text(0, 12);
}

std::string busiest_rows(const process& p, std::vector<activity> all, double seconds, std::size_t rows) {
  std::erase_if(all, [](const activity& a) { return a.who->service || (a.waits == 0 && a.ran == 0); });
  std::stable_sort(all.begin(), all.end(), [](const activity& a, const activity& b) {
    return a.ran != b.ran ? a.ran > b.ran : a.waits > b.waits;
  });
  table t({"ID", "NAME", "RUNS", "WAITS/s", "NOW"});
  t.align_right(2);
  t.align_right(3);
  for (const activity& a : all) {
    if (t.rows() == rows) break;
    const fiber& f = *a.who;
    const std::string name = !f.name.empty() ? f.name : f.kind == fiber_kind::main ? "main" : f.green ? p.name() : "";
    t.add({f.tid != 0 ? std::to_string(f.tid) : hex(f.at), printable(name),
           percent(a.ran), rate(a.waits, 0, seconds), f.state == fiber_state::parked ? printable(f.wait.reason) : "runs"});
  }
  return t.rows() == 0 ? "nobody ran\n" : t.text(terminal_width());
}

}  // namespace

int top(const top_options& o) {
  const process p(o.pid);
  memory m(o.pid);
  const layout l(p, m);
  reader r(p, m, l);
  const bool terminal = isatty(1) != 0;
  sample before = take(p, m, r);
  for (unsigned n = 0; o.count == 0 || n < o.count; ++n) {
    hits seen;
    const auto until = before.at + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(o.interval));
    const std::size_t looks = watch(m, r, until, seen);
    if (!p.alive()) {
      std::printf("process %d has ended\n", o.pid);
      return 0;
    }
    sample now = take(p, m, r);
    const double seconds = std::chrono::duration<double>(now.at - before.at).count();
    const auto all = activities(now, before, seen, looks);
    const std::string text = head(p, now, before, seconds) + (now.hubs.empty() ? "no fibers yet\n" : hub_rows(now, before, seconds)) +
                             "\n" + reason_rows(all, seconds) + "\n" + busiest_rows(p, all, seconds, o.rows);
    std::printf("%s%s%s", terminal ? "\033[H\033[2J" : "", text.c_str(), terminal ? "" : "\n");
    std::fflush(stdout);
    before = std::move(now);
  }
  return 0;
}

}  // namespace weft::inspect
