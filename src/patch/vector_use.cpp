#include "patch/vector_use.hpp"

#include <algorithm>
#include <vector>

namespace weft::patch {
namespace {

constexpr int deepest = 8;              // calls followed; deeper ones count as seen through
constexpr std::size_t longest = 4096;   // bytes of a function that is worth decoding for this

bool leaves(const function_range& f, const step& s) {
  return (s.what.kind == flow::branch || s.what.kind == flow::jump) && (s.what.target < f.begin || s.what.target >= f.end);
}

// Something moved into eax just before a ret and not used by then: a function whose result is a floating-point number would not.
bool returns_integer(const decoder& d, const function_range& f, std::span<const step> steps) {
  for (std::size_t k = 0; k < steps.size(); ++k) {
    if (steps[k].what.kind != flow::ret) continue;
    for (std::size_t back = k; back-- > 0 && k - back <= 3;) {
      if (steps[back].what.kind != flow::plain) break;
      const eax_write w = d.effect_on_eax(steps[back].at, f.end);
      if (w.effect == eax_effect::constant || w.effect == eax_effect::copied) return true;
      if (w.effect != eax_effect::untouched || d.reads_eax(steps[back].at, f.end)) break;
    }
  }
  return false;
}

}  // namespace

// A call through memory or a register, or a jump to another object's entry: compilers assume that it uses every register it may.
bool vector_judge::calls_unseen(std::span<const step> steps, const function_range& f, int depth) {
  for (const step& s : steps) {
    if (s.what.kind == flow::call && s.what.target == 0) return true;
    if (s.what.kind == flow::call && s.what.rip_relative) return true;
    if (s.what.kind == flow::jump_indirect && s.what.rip_relative) return true;
    if ((s.what.kind == flow::call || leaves(f, s)) && depth < deepest && look_at(s.what.target, depth + 1).opaque) return true;
  }
  return false;
}

const vector_judge::body& vector_judge::look_at(std::uintptr_t function, int depth) {
  const auto [row, fresh] = bodies_.try_emplace(function);  // in doubt, and while it is being looked at: neither
  body& b = row->second;
  if (!fresh) return b;
  const auto f = function_at_(function);
  if (!f || !f->listed || f->end - f->begin > longest) return b;
  std::vector<step> steps;
  bool inert = f->begin == function, whole = true;
  for (std::uintptr_t at = f->begin; at < f->end;) {
    const auto i = decoder_.decode(at, f->end);
    if (!i) {
      whole = false;
      break;
    }
    steps.push_back({at, *i});
    inert = inert && !i->vector && i->kind != flow::call && i->kind != flow::jump_indirect && !leaves(*f, steps.back());
    at += i->length;
  }
  if (!whole) return b;
  b.inert = inert && !steps.empty() && steps.back().what.kind != flow::plain && steps.back().what.kind != flow::branch;
  b.opaque = calls_unseen(steps, *f, depth);
  return b;
}

// Follows every way on from `from` inside the function. `visit(k)` says what becomes of the way at step k; false from a walk that
// was refused, or that nobody can follow.
enum class way : std::uint8_t { goes_on, ends, refused };

template <class Visit>
bool vector_judge::walk(const function_range& f, std::span<const step> steps, std::uintptr_t from, Visit visit) {
  std::vector<bool> seen(steps.size());
  std::vector<std::uintptr_t> todo{from};
  while (!todo.empty()) {
    const std::uintptr_t at = todo.back();
    todo.pop_back();
    if (at < f.begin || at >= f.end) return false;
    const auto here = std::lower_bound(steps.begin(), steps.end(), at, [](const step& s, std::uintptr_t a) { return s.at < a; });
    if (here == steps.end() || here->at != at) return false;
    const auto k = static_cast<std::size_t>(here - steps.begin());
    if (seen[k]) continue;
    seen[k] = true;
    const way w = visit(k);
    if (w == way::refused) return false;
    const instruction& i = here->what;
    if (w == way::ends || i.kind == flow::ret || i.kind == flow::trap) continue;
    if (i.kind == flow::jump_indirect) return false;
    if (i.kind == flow::jump || i.kind == flow::branch) todo.push_back(i.target);
    if (i.kind != flow::jump) todo.push_back(at + i.length);
  }
  return true;
}

// After a call that may use every register nothing is left of the arguments, and its result is in rax where that is looked at.
bool vector_judge::empties_vectors(const step& call, std::span<const step> behind, std::uintptr_t end) {
  if (call.what.kind != flow::call || !calls_unseen({&call, 1}, {0, ~std::uintptr_t{0}}, 0)) return false;
  for (const step& s : behind) {
    if (s.what.kind != flow::plain && s.what.kind != flow::padding) return false;
    if (decoder_.reads_eax(s.at, end)) return true;
    if (decoder_.effect_on_eax(s.at, end).effect != eax_effect::untouched) return false;
  }
  return false;
}

// Every way from the function's beginning to the site passes a call that leaves nothing in vector registers.
bool vector_judge::nothing_alive(const function_range& f, std::span<const step> steps, std::uintptr_t site) {
  return walk(f, steps, f.begin, [&](std::size_t k) {
    if (steps[k].at == site) return way::refused;
    if (leaves(f, steps[k])) return way::refused;  // a cold part may come back
    return empties_vectors(steps[k], steps.subspan(k + 1), f.end) ? way::ends : way::goes_on;
  });
}

// Every way on from the site ends in a return without a call that could take an argument along.
bool vector_judge::nothing_reads(const function_range& f, std::span<const step> steps, std::uintptr_t site) {
  return walk(f, steps, site, [&](std::size_t k) {
    const instruction& i = steps[k].what;
    if (i.kind != flow::call) return way::goes_on;
    return i.target != 0 && !i.rip_relative && look_at(i.target, 0).inert ? way::goes_on : way::refused;
  });
}

vector_use vector_judge::at_site(const function_range& f, std::span<const step> steps, std::uintptr_t site) {
  if (!f.listed) return vector_use::possible;
  std::size_t own = 0;
  std::uintptr_t reached = f.begin;
  for (; own < steps.size() && steps[own].at < f.end; ++own) {
    const step& s = steps[own];
    if (s.at != reached || s.what.vector || s.what.kind == flow::jump_indirect) return vector_use::possible;
    reached = s.at + s.what.length;
  }
  if (reached != f.end) return vector_use::possible;  // bytes in it are no instructions
  const std::span<const step> body = steps.first(own);
  if (!nothing_alive(f, body, site) && !(returns_integer(decoder_, f, body) && nothing_reads(f, body, site)))
    return vector_use::possible;
  return calls_unseen(body, f, 0) ? vector_use::none : vector_use::unless_called;
}

}  // namespace weft::patch
