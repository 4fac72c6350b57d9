// weft bt: where each fiber of a process stands. Equal stacks are shown once, with how many stand so.
#include <algorithm>
#include <cstdio>
#include <map>

#include "core/plumbing.hpp"
#include "inspect/commands.hpp"
#include "inspect/images.hpp"
#include "inspect/look.hpp"
#include "inspect/text.hpp"
#include "inspect/unwind.hpp"
#include "inspect/words.hpp"

namespace weft::inspect {
namespace {

// Of a deep stack this much is copied while the program stands; what is above it is read afterwards.
constexpr std::size_t copied_stack = 64 << 10;
constexpr std::size_t ids_shown = 8;

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// A frame, or a function that was inlined into it.
struct step {
  address pc;
  const place* at;
};

std::string line_of(const step& s) {
  const place& at = *s.at;
  std::string out = at.function.empty() ? "??" : printable(at.function);
  if (!at.file.empty())
    out += "  " + last_part(at.file) + ":" + std::to_string(at.line);
  else if (!at.module.empty())
    out += "  " + last_part(at.module) + "+" + hex(at.module_offset);
  else
    out += "  " + hex(s.pc);
  return out;
}

struct standing {
  std::vector<const fiber*> who;
  std::vector<step> frames;
};

struct context {
  const process& p;
  const look& seen;
  words& w;
  images& i;
};

std::vector<step> steps_of(const context& c, const std::vector<frame>& frames) {
  std::vector<step> out;
  for (const frame& f : frames)
    for (const place& at : c.i.places_of(f.pc, f.exact)) out.push_back({f.pc, &at});
  return out;
}

// What a stack's frames have in common with all others' hides what people look for.
std::vector<step> without_plumbing(const std::vector<step>& steps) {
  std::vector<core::seen_frame> all;
  for (const step& s : steps) {
    const std::string file = last_part(s.at->module);
    all.push_back({s.at->function, file, file.starts_with("libweft.so") || file.starts_with("libweft-shim.so")});
  }
  const core::frame_range shown = core::without_plumbing(all);
  std::vector<step> out;
  for (std::size_t i = shown.begin; i < shown.end; ++i)
    if (!all[i].file.starts_with("libweft-shim.so") || shown.end - shown.begin == 1) out.push_back(steps[i]);  // its functions only hand on
  return out;
}

std::string heading(const context& c, const standing& s) {
  const fiber& f = *s.who.front();
  std::string out;
  if (s.who.size() == 1) {
    out = std::string(words::kind(f)) + " " + c.w.id(f);
    if (!c.w.name(f).empty()) out += " \"" + c.w.name(f) + "\"";
  } else {
    out = grouped(s.who.size()) + " " + (f.kind == fiber_kind::main ? "thread" : words::kind(f)) + "s:";
    for (std::size_t i = 0; i < s.who.size() && i < ids_shown; ++i) out += " " + c.w.id(*s.who[i]);
    if (s.who.size() > ids_shown) out += " ...";
  }
  out += "\n    " + c.w.state(f);
  const bool suspended = f.state == fiber_state::suspended;
  if (suspended && s.who.size() == 1) out += ", of " + c.w.fiber_at(f.owner);
  const std::string what = suspended ? "" : s.who.size() == 1 ? c.w.waits_for(f) : c.w.waits_alike(s.who);
  if (!what.empty()) out += (f.wait.lock != 0 || f.wait.joins != 0 ? ", waiting for " : " in ") + what;
  std::uint64_t least = ~std::uint64_t{0}, most = 0;
  for (const fiber* each : s.who) {
    least = std::min(least, c.seen.waited(*each));
    most = std::max(most, c.seen.waited(*each));
  }
  const std::string shortest = duration(least), longest = duration(most);
  if (f.wait.since != 0) out += ", for " + (shortest == longest ? longest : shortest + " to " + longest);
  return out + "\n";
}

void print(const context& c, const standing& s) {
  std::string out = heading(c, s);
  const fiber& f = *s.who.front();
  for (std::size_t n = 0; n < f.awaits.size(); ++n)
    out += "    await #" + std::to_string(n) + "  " + printable(f.awaits[n].function) + ", line " + std::to_string(f.awaits[n].line) + "\n";
  for (std::size_t n = 0; n < s.frames.size(); ++n) out += "    #" + std::to_string(n) + "  " + line_of(s.frames[n]) + "\n";
  if (s.frames.empty() && f.state == fiber_state::created && f.site != 0)
    out += "    spawned at " + line_of({f.site, &c.i.places_of(f.site, false).back()}) + "\n";
  std::printf("%s\n", out.c_str());
}

void put(json& j, const context& c, const standing& s) {
  const fiber& f = *s.who.front();
  j.open('{').open("ids", '[');
  for (const fiber* each : s.who) j.put({}, c.w.id(*each));
  j.close().put("kind", words::kind(f)).put("name", c.w.name(f)).put("state", c.w.state(f)).put("reason", f.wait.reason);
  j.open("awaits", '[');
  for (const awaiting& a : f.awaits) j.open('{').put("function", a.function).put("line", std::uint64_t{a.line}).close();
  j.close().open("frames", '[');
  for (const step& each : s.frames) {
    const place& at = *each.at;
    j.open('{').put("pc", hex(each.pc)).put("function", at.function).put("module", at.module);
    if (!at.file.empty()) j.put("file", at.file).put("line", static_cast<std::uint64_t>(at.line));
    if (at.inlined) j.put_flag("inlined", true);
    j.close();
  }
  j.close().close();
}

// OS threads that carry no hub: the program's own from before Weft came, and Weft's workers.
void print_other(const context& c, unwinder& u, const os_thread& t, bool whole) {
  std::printf("OS thread %d \"%s\"\n    %s\n", t.id, printable(t.name).c_str(), c.w.doing(t).c_str());
  if (t.at.has(registers::pc)) {
    int n = 0;
    const std::vector<step> all = steps_of(c, u.walk(t.at, {}));
    for (const step& s : whole ? all : without_plumbing(all)) std::printf("    #%d  %s\n", n++, line_of(s).c_str());
  }
  std::printf("\n");
}

bool is_meant(const words& w, const fiber& f, const std::string& who) {
  if (who == "main" && f.kind == fiber_kind::main) return true;
  return who.empty() || w.id(f) == who || hex(f.at) == who || (!f.name.empty() && f.name == who);
}

}  // namespace

int bt(const bt_options& o) {
  const process p(o.pid);
  memory m(o.pid);
  const layout l(p, m);
  trampolines t(m, l);
  const look seen(p, m, l, copied_stack);
  words w(p, seen);
  images i(p);
  unwinder u(m, i, std::move(t));
  const reader r(p, m, l);
  const context c{p, seen, w, i};
  std::vector<standing> all;
  std::map<std::pair<std::string, std::vector<address>>, std::size_t> alike;
  for (const fiber& f : seen.fibers) {
    if ((f.service && !o.all && o.who.empty()) || !is_meant(w, f, o.who)) continue;
    standing s{{&f}, {}};
    if (const auto at = seen.registers_of(f, m, r.at())) s.frames = steps_of(c, u.walk(*at, f.stack, o.frames));
    if (!o.whole) s.frames = without_plumbing(s.frames);
    // By the state, the reason, who awaits whom, and the addresses of all frames.
    std::string key = std::string(words::kind(f)) + "/" + w.state(f) + "/" + f.wait.reason + (f.wait.lock != 0 ? hex(f.wait.lock) : "");
    for (const awaiting& a : f.awaits) key += "/" + a.function + ":" + std::to_string(a.line);
    std::vector<address> pcs;
    for (const step& each : s.frames) pcs.push_back(each.pc);
    if (f.state == fiber_state::created) pcs.push_back(f.site);
    const auto [where, fresh] = alike.try_emplace({key, pcs}, all.size());
    if (fresh || !o.fold)
      all.push_back(std::move(s));
    else
      all[where->second].who.push_back(&f);
  }
  if (all.empty() && !o.who.empty()) throw failure("process " + std::to_string(o.pid) + " has no fiber or green thread " + o.who);
  std::stable_sort(all.begin(), all.end(), [](const standing& a, const standing& b) { return a.who.size() > b.who.size(); });
  if (o.json) {
    json j;
    j.open('{').put("pid", static_cast<std::uint64_t>(o.pid)).put("stopped_us", static_cast<std::uint64_t>(seen.stood.count() / 1000));
    j.put("stopped_cpu_us", seen.worked / 1000).put("copied_bytes", static_cast<std::uint64_t>(seen.copied));
    j.open("stacks", '[');
    for (const standing& s : all) put(j, c, s);
    j.close().close();
    std::printf("%s\n", j.text().c_str());
    return 0;
  }
  for (const standing& s : all) print(c, s);
  if (o.who.empty())
    for (const os_thread& other : seen.threads)
      if (!other.of_a_hub && (o.all || seen.hubs.empty())) print_other(c, u, other, o.whole);
  for (const deadlock& each : deadlocks(seen, w)) std::printf("deadlock: none of these will ever go on\n%s", told(each, w).c_str());
  return 0;
}

}  // namespace weft::inspect
