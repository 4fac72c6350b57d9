// weft ps: a line for each fiber of a process.
#include <algorithm>
#include <cstdio>
#include <map>
#include <unordered_map>

#include "inspect/commands.hpp"
#include "inspect/look.hpp"
#include "inspect/text.hpp"
#include "inspect/words.hpp"

namespace weft::inspect {
namespace {

// "3 threads: 1 running, 2 parked".
std::string summary(const process& p, const look& seen) {
  std::map<std::string, std::size_t> states;
  std::size_t shown = 0, threads = 0, suspended = 0;
  for (const fiber& f : seen.fibers) {
    if (f.service) continue;
    if (f.state == fiber_state::suspended) {
      if (f.kind != fiber_kind::own_stack) ++suspended;
      continue;
    }
    ++shown;
    if (f.green) ++threads;
    ++states[words::plain_state(f)];
  }
  std::string out = "process " + std::to_string(p.pid()) + " (" + printable(p.name()) + "): " + grouped(shown) +
                    (threads == shown ? " green thread" : " fiber") + (shown == 1 ? "" : "s");
  if (threads != 0 && threads != shown) out += ", of them " + grouped(threads) + " green threads,";
  out += " on " + std::to_string(seen.hubs.size()) + (seen.hubs.size() == 1 ? " OS thread" : " OS threads");
  const char* between = ": ";
  for (const auto& [state, count] : states) {
    out += between + grouped(count) + " " + state;
    between = ", ";
  }
  if (suspended != 0) out += "; " + grouped(suspended) + (suspended == 1 ? " suspended greenlet" : " suspended greenlets");
  return out + "\n";
}

std::string hub_name(const look& seen, const fiber& f) {
  const hub& h = seen.hubs[f.hub];
  return std::to_string(h.os_thread != 0 ? static_cast<std::uint32_t>(h.os_thread) : h.thread);
}

void print_table(const look& seen, words& w, bool all) {
  const bool several = seen.hubs.size() > 1;
  std::vector<std::string> titles = {"ID", "KIND", "NAME", "STATE", "AGE", "FOR", "WAITING FOR"};
  if (several) titles.insert(titles.begin(), "OS THREAD");
  table t(titles);
  for (const std::size_t figures : {4, 5}) t.align_right(several ? figures + 1 : figures);
  for (const fiber& f : seen.fibers) {
    if (f.service && !all) continue;
    const std::string age = f.created != 0 ? duration(seen.age(f)) : "", waited = f.wait.since != 0 ? duration(seen.waited(f)) : "";
    std::vector<std::string> row = {w.id(f), words::kind(f), w.name(f), w.state(f), age, waited, w.waits_for(f)};
    if (several) row.insert(row.begin(), hub_name(seen, f));
    t.add(row);
  }
  std::fputs(t.text(terminal_width()).c_str(), stdout);
}

constexpr const char *one_other = "the end of one other each", *own_futex = "futex, each its own";

// Those that do the same, by reason and kind of descriptor: a line for 10,000 alike.
void print_groups(const look& seen, words& w, bool all) {
  struct group {
    std::size_t count = 0;
    std::uint64_t longest = 0;
    std::string alone;  // what it waits for when there is but one
    const fiber* oldest = nullptr;
  };
  std::unordered_map<address, std::size_t> waiting;  // for one fiber's end, at one futex
  const auto meets_others_at = [](const fiber& f) { return f.wait.joins != 0 ? f.wait.joins : f.wait.lock == 0 ? f.wait.futex : 0; };
  for (const fiber& f : seen.fibers)
    if (const address at = meets_others_at(f); at != 0) ++waiting[at];
  std::map<std::vector<std::string>, group> groups;
  for (const fiber& f : seen.fibers) {
    if (f.service && !all) continue;
    std::string what = w.target_of(f);
    if (what.empty()) what = printable(f.wait.reason) + (f.wait.futex != 0 ? " " + hex(f.wait.futex) : "");
    // Of those who wait each for an end, or at a futex, of its own there may be as many lines as fibers.
    const std::string alone = what;
    if (const address at = meets_others_at(f); at != 0 && waiting[at] == 1) what = f.wait.joins != 0 ? one_other : own_futex;
    group& g = groups[{words::kind(f), w.name(f), w.state(f), what}];
    ++g.count;
    const std::uint64_t waited = seen.waited(f);
    if (g.oldest == nullptr || waited > g.longest) g.oldest = &f;
    g.alone = alone;
    g.longest = std::max(g.longest, waited);
  }
  std::vector<std::pair<std::vector<std::string>, group>> sorted(groups.begin(), groups.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  table t({"COUNT", "KIND", "NAME", "STATE", "LONGEST", "WAITING FOR", "FOR INSTANCE"});
  t.align_right(0);
  t.align_right(4);
  for (const auto& [key, g] : sorted) {
    const std::string what = g.count == 1 ? g.alone : key[3];
    t.add({grouped(g.count), key[0], key[1], key[2], g.oldest->wait.since != 0 ? duration(g.longest) : "", what, w.id(*g.oldest)});
  }
  std::fputs(t.text(terminal_width()).c_str(), stdout);
}

void print_json(const process& p, const look& seen, words& w, bool all) {
  json j;
  j.open('{').put("pid", static_cast<std::uint64_t>(p.pid())).put("program", p.name());
  j.put("stopped_us", static_cast<std::uint64_t>(seen.stood.count() / 1000)).put("stopped_cpu_us", seen.worked / 1000);
  j.put("copied_bytes", static_cast<std::uint64_t>(seen.copied));
  j.open("hubs", '[');
  for (const hub& h : seen.hubs) {
    j.open('{').put("address", hex(h.at)).put("os_thread", static_cast<std::uint64_t>(h.os_thread));
    j.put_flag("sleeping", h.sleeping).put("switches", h.switches).put("parks", h.parks).put("polls", h.polls);
    j.put("created", h.created).put("offloads", h.offloads).close();
  }
  j.close().open("fibers", '[');
  for (const fiber& f : seen.fibers) {
    if (f.service && !all) continue;
    j.open('{').put("id", w.id(f)).put("kind", words::kind(f)).put("name", w.name(f)).put("state", w.state(f));
    j.put("address", hex(f.at)).put("os_thread", static_cast<std::uint64_t>(seen.hubs[f.hub].os_thread));
    if (f.created != 0) j.put("age_ns", seen.age(f));
    if (f.owner != 0) j.put("of", hex(f.owner));
    if (f.wait.waiter != 0) {
      j.put("reason", f.wait.reason).put("waited_ns", seen.waited(f));
      if (const std::uint64_t now = seen.now_of(f); f.wait.deadline != 0)
        j.put("deadline_in_ns", f.wait.deadline > now ? f.wait.deadline - now : 0);
    }
    if (!f.wait.descriptors.empty()) {
      j.open("descriptors", '[');
      for (const auto& d : f.wait.descriptors)
        j.open('{').put("fd", static_cast<std::uint64_t>(d.fd)).put("what", w.files().of(d.fd)).close();
      j.close();
    }
    if (f.wait.futex != 0) j.put("futex", hex(f.wait.futex));
    if (f.wait.holder != 0) j.put(w.by_tid(f.wait.holder) != nullptr ? "held_by" : "held_by_os_thread", std::to_string(f.wait.holder));
    if (f.wait.owner != 0) j.put("held_by", w.by_address(f.wait.owner) != nullptr ? w.id(*w.by_address(f.wait.owner)) : hex(f.wait.owner));
    if (f.wait.lock != 0) j.put("lock", hex(f.wait.lock));
    if (f.wait.readers != 0) j.put("readers", f.wait.readers);
    if (f.wait.joins != 0) j.put("joins", w.by_address(f.wait.joins) != nullptr ? w.id(*w.by_address(f.wait.joins)) : hex(f.wait.joins));
    j.close();
  }
  j.close().open("deadlocks", '[');
  for (const deadlock& d : deadlocks(seen, w)) {
    j.open('[');
    for (const fiber* f : d) j.put({}, w.id(*f));
    j.close();
  }
  j.close().close();
  std::printf("%s\n", j.text().c_str());
}

// Before the first fiber there is no hub, and nothing of Weft's to tell.
void print_threads(const process& p, const look& seen, words& w) {
  std::printf("process %d (%s) is under Weft and has no fibers yet: it has not made a second thread, or used the API\n", p.pid(),
              printable(p.name()).c_str());
  table t({"OS THREAD", "NAME", "DOES"});
  for (const os_thread& o : seen.threads) t.add({std::to_string(o.id), printable(o.name), w.doing(o)});
  std::fputs(t.text(terminal_width()).c_str(), stdout);
}

}  // namespace

int ps(const ps_options& o) {
  const process p(o.pid);
  memory m(o.pid);
  const layout l(p, m);
  const look seen(p, m, l, 0);
  words w(p, seen);
  if (o.json) {
    print_json(p, seen, w, o.all);
    return 0;
  }
  if (seen.hubs.empty()) {
    print_threads(p, seen, w);
    return 0;
  }
  std::fputs(summary(p, seen).c_str(), stdout);
  if (o.group)
    print_groups(seen, w, o.all);
  else
    print_table(seen, w, o.all);
  for (const deadlock& d : deadlocks(seen, w)) std::printf("deadlock: none of these will ever go on\n%s", told(d, w).c_str());
  return 0;
}

}  // namespace weft::inspect
