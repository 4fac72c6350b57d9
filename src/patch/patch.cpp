#include "patch/patch.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <new>
#include <optional>

#include "patch/load_watch.hpp"
#include "patch/pinned_images.hpp"
#include "patch/policy.hpp"
#include "patch/prepare.hpp"
#include "patch/registry.hpp"
#include "patch/scan.hpp"
#include "patch/site_cache.hpp"
#include "patch/stop_threads.hpp"
#include "patch/window.hpp"
#include "sys/clock.hpp"
#include "sys/syscall.hpp"

namespace weft::patch {
namespace {

std::mutex one_at_a_time;
std::vector<known_object> known;
std::vector<known_object> gone;   // unloaded; trampolines stay, since a stack may be inside one, and serve again at the same place
std::atomic<long> patching = 0;   // the thread that holds the lock
std::atomic<bool> loads_seen = false;  // objects came or went while it was held
bool watching = false;
bool any_patched = false;

bool has_handler(long nr) {
  return nr < 0 || (nr < handler_count && __atomic_load_n(&weft_patch_handlers[nr], __ATOMIC_RELAXED) != nullptr);
}

bool is_wanted(const site& s, const options& o) {
  if (s.state == site_state::signal_return || s.nr == SYS_rt_sigreturn) return false;
  return o.wanted != nullptr ? o.wanted(s.nr) : has_handler(s.nr);
}

// Where threads may be found waiting in such calls, redirected or not.
std::vector<restart_point> restart_points() {
  std::vector<restart_point> all;
  for (const known_object& o : known)
    for (const known_site& s : o.sites)
      if (can_be_made_again(s.what.nr))
        all.push_back({s.trampoline != 0 ? s.done : o.image.base + s.what.offset + syscall_length, s.what.nr});
  return all;
}

void set_error(result& r, error code, const std::string& text) {
  if (r.code != error::none) return;
  r.code = code;
  r.text = text;
}

void loads_changed();

// Applies all that is prepared, and the watch of later loads with the first of it. What cannot be written is dropped and the others
// tried without it.
void apply_all(std::vector<prepared>& all, const options& o, result& r) {
  constexpr std::size_t the_watch = SIZE_MAX;
  std::optional<segment_changes> watch;
  if (!all.empty() && !watching) watch = watch_of_loads(loads_changed);
  while (!all.empty()) {
    std::vector<segment_changes> segments;
    std::vector<std::size_t> owner;
    if (watch) {
      owner.push_back(the_watch);
      segments.push_back(*watch);
    }
    std::vector<moved_address> moved;
    for (std::size_t k = 0; k < all.size(); ++k) {
      owner.insert(owner.end(), all[k].segments.size(), k);
      segments.insert(segments.end(), all[k].segments.begin(), all[k].segments.end());
      moved.insert(moved.end(), all[k].moved.begin(), all[k].moved.end());
    }
    const applied a = apply(segments, std::move(moved), restart_points(), o.patience_ns);
    r.stopped_threads = std::max(r.stopped_threads, a.threads);
    if (a.code == error::none) {
      watching = watching || watch.has_value();
      break;
    }
    if (a.code == error::text_not_writable && owner[a.segment] == the_watch) {
      watch.reset();
      continue;
    }
    if (a.code == error::text_not_writable) {
      prepared& refused = all[owner[a.segment]];
      refused.object->failed = a.text;
      set_error(r, a.code, refused.object->image.name() + ": " + describe(a.code) + " (" + a.text + ")");
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(owner[a.segment]));
      continue;
    }
    set_error(r, a.code, std::string(describe(a.code)) + ": " + a.text);
    for (prepared& p : all) p.object->failed = a.text;
    return;
  }
  for (prepared& p : all) {
    p.keep();
    r.newly_patched += static_cast<int>(p.count());
  }
  if (r.newly_patched > 0) __atomic_store_n(&any_patched, true, __ATOMIC_RELEASE);
}

// Where the sites of an object come from: the cache, else a scan, for which the decoder is loaded when it is first needed.
class finder {
public:
  // False, with `failed` set, when the object would have to be scanned and cannot be.
  bool sites_of(known_object& o) const {
    if (load_sites(stored_, o)) return true;
    const bool anything = std::any_of(o.image.text.begin(), o.image.text.end(), holds_candidate);
    if (anything && decoder_ == nullptr && (decoder_ = decoder::open(o.failed)) == nullptr) return false;
    if (anything) look_at(o, *decoder_);
    store_sites(cache_folder(true), o);
    return true;
  }

private:
  const cache_folder stored_;
  mutable std::unique_ptr<decoder> decoder_;
};

bool wanted_but_impossible(const known_site& s, const options& o) {
  return s.trampoline == 0 && (s.failed || s.what.state != site_state::patchable) && is_wanted(s.what, o);
}

struct choice {
  std::function<bool(const elf_image&)> asked;
  bool by_name;  // an object that was asked for by name must exist
};

// Trampolines from an earlier life of the same object at the same place.
void take_over_trampolines(known_object& o) {
  const auto old = std::find_if(gone.begin(), gone.end(), [&](const known_object& k) {
    return k.image.base == o.image.base && k.image.build_id == o.image.build_id && k.sites.size() == o.sites.size();
  });
  if (old == gone.end()) return;
  for (std::size_t k = 0; k < o.sites.size(); ++k)
    if (old->sites[k].what == o.sites[k].what) {
      o.sites[k].kept = old->sites[k].kept;
      o.sites[k].kept_done = old->sites[k].kept_done;
    }
  gone.erase(old);
}

// Rows of objects that are gone, or that were replaced at the same place, describe nothing any more.
void forget_unloaded(const std::vector<elf_image>& images) {
  for (known_object& k : known) {
    if (std::any_of(images.begin(), images.end(), [&](const elf_image& i) { return k.is(i); })) continue;
    bool any = false;
    for (known_site& s : k.sites) {
      if (s.trampoline != 0) {
        s.kept = s.trampoline;
        s.kept_done = s.done;
      }
      s.trampoline = 0;
      any = any || s.kept != 0;
    }
    if (any && !k.image.build_id.empty()) gone.push_back(k);
    k.image.base = 0;
    k.image.path = "(unloaded)";
  }
  std::erase_if(known, [](const known_object& k) { return k.image.path == "(unloaded)"; });
}

// `kept`: what cannot go meanwhile; null under the loader's lock, where nothing can.
result patch_exclusively(const choice& which, const options& o, const pinned_images* kept) {
  result r;
  const std::uint64_t began = sys::monotonic_ns_by_call();
  std::vector<elf_image> images = loaded_images();
  forget_unloaded(images);
  // Who came after those were pinned may go at any moment. The next turn looks at them.
  const auto not_kept = [&](const elf_image& i) { return kept != nullptr && !kept->holds(i); };
  if (std::erase_if(images, not_kept) > 0 && !which.by_name) loads_seen = true;

  const finder look;
  patch_policy policy;
  std::vector<std::size_t> chosen;
  for (elf_image& image : images) {
    if (!which.asked(image)) continue;
    const auto row = std::find_if(known.begin(), known.end(), [&](const known_object& k) { return k.is(image); });
    std::size_t index = static_cast<std::size_t>(row - known.begin());
    const char* skipped = policy.never_patched(image);
    if (skipped == nullptr && o.skip != nullptr && o.skip(image.path.c_str())) skipped = "excluded";
    if (row == known.end() || (row->skipped != nullptr && skipped == nullptr)) {
      known_object fresh;
      fresh.image = std::move(image);
      fresh.skipped = skipped;
      if (skipped == nullptr && !look.sites_of(fresh)) {
        set_error(r, error::no_decoder, fresh.failed);
        continue;
      }
      take_over_trampolines(fresh);
      if (row == known.end()) known.push_back(std::move(fresh));
      else *row = std::move(fresh);
    }
    if (skipped == nullptr) chosen.push_back(index);
  }
  if (chosen.empty() && which.by_name) set_error(r, error::no_such_object, describe(error::no_such_object));
  const std::uint64_t scanned = sys::monotonic_ns_by_call();
  r.scan_ns = scanned - began;

  std::vector<prepared> all;
  for (const std::size_t k : chosen) {
    known_object& object = known[k];
    object.failed.clear();
    std::vector<known_site*> wanted;
    for (known_site& s : object.sites)
      if (s.trampoline == 0 && !s.failed && s.what.state == site_state::patchable && is_wanted(s.what, o)) wanted.push_back(&s);
    if (wanted.empty()) continue;
    prepared p;
    if (!prepare(object, wanted, p)) set_error(r, error::no_near_memory, object.image.name() + ": " + object.failed);
    else if (!p.segments.empty()) all.push_back(std::move(p));
  }
  apply_all(all, o, r);
  for (const std::size_t k : chosen)
    for (const known_site& s : known[k].sites) {
      ++r.sites;
      if (s.trampoline != 0) ++r.patched;
      else if (wanted_but_impossible(s, o)) ++r.unpatchable;
      else ++r.left_alone;
    }
  r.patch_ns = sys::monotonic_ns_by_call() - scanned;
  return r;
}

struct exclusive {
  exclusive() { patching.store(sys::raw(SYS_gettid)); }
  ~exclusive() {
    patching.store(0);
    one_at_a_time.unlock();
  }
};

const choice everything{[](const elf_image&) { return true; }, false};

// Patches what has been loaded since, unless somebody is patching: that one looks again when it has finished. Never waits: the caller
// may hold the loader's lock, which the other one may want.
void patch_what_was_loaded(bool under_loaders_lock) {
  while (loads_seen.load()) {
    // Pinned before the lock and let go after it: both may wait for the loader's lock, or run the program's code.
    std::optional<pinned_images> kept;
    if (!under_loaders_lock) kept.emplace();
    if (!one_at_a_time.try_lock()) return;
    const exclusive mine;
    loads_seen = false;
    patch_exclusively(everything, {}, kept ? &*kept : nullptr);
  }
}

// Called by the loader, on whatever stack it was called.
void loads_changed() {
  if (patching.load() == sys::raw(SYS_gettid) || !loads_are_consistent()) return;
  const int before = errno;
  loads_seen = true;
  try {
    patch_what_was_loaded(true);
  } catch (const std::bad_alloc&) {  // its calls block their thread
  }
  errno = before;
}

result patch_chosen(const choice& which, const options& o) {
  result r;
  {
    const pinned_images kept;
    one_at_a_time.lock();
    const exclusive mine;
    const bool watched_before = watching;
    r = patch_exclusively(which, o, &kept);
    // Before the watch stood, other threads may have loaded something unseen.
    if (!which.by_name && !watched_before && watching && r.stopped_threads > 0) loads_seen = true;
  }
  patch_what_was_loaded(false);
  return r;
}

}  // namespace

result patch_all_objects(const options& o) {
  return patch_chosen(everything, o);
}

result patch_object_named(std::string_view name, const options& o) {
  return patch_chosen({[=](const elf_image& i) { return i.name().starts_with(name); }, true}, o);
}

result patch_object_at(const void* address, const options& o) {
  const auto a = reinterpret_cast<std::uintptr_t>(address);
  return patch_chosen({[=](const elf_image& i) { return i.holds(a); }, true}, o);
}

bool active() noexcept { return __atomic_load_n(&any_patched, __ATOMIC_ACQUIRE); }

std::vector<object_report> report() {
  const std::lock_guard lock(one_at_a_time);
  std::vector<object_report> rows;
  for (const known_object& k : known) {
    object_report row;
    row.path = k.image.path;
    row.skipped = k.skipped;
    row.failed = k.failed;
    row.sites = static_cast<int>(k.sites.size());
    for (const known_site& s : k.sites) {
      if (s.trampoline != 0) ++row.patched;
      else if (s.failed || (s.what.state != site_state::patchable && s.what.state != site_state::signal_return)) ++row.unpatchable;
      else ++row.left_alone;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<site_report> sites() {
  const std::lock_guard lock(one_at_a_time);
  std::vector<site_report> rows;
  for (const known_object& k : known)
    for (const known_site& s : k.sites) rows.push_back({k.image.name(), s.what, s.trampoline != 0});
  return rows;
}

}  // namespace weft::patch
