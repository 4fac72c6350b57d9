// weft::patch_all(): fills the table of handlers from the door's list of calls and redirects the sites of every loaded object.
#include "weft/patch.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "io/dispatch.hpp"
#include "patch/patch.hpp"

namespace weft {
namespace {

std::mutex lock;
patch_result total;

void fill_handlers() {
  const char* selection = std::getenv("WEFT_PATCH");
  io::each_door([&](const io::door_entry& row) {
    if (io::group_selected(row.group, selection)) patch::set_handler(row.nr, row.handle);
  });
}

void say(const patch::result& r) {
  std::fprintf(stderr, "weft: %d of %d system call sites patched in %.1f ms (%.1f ms scanning), %d cannot be\n", r.patched, r.sites,
               static_cast<double>(r.scan_ns + r.patch_ns) / 1e6, static_cast<double>(r.scan_ns) / 1e6, r.unpatchable);
  for (const patch::object_report& o : patch::report())
    if (o.skipped != nullptr || !o.failed.empty() || o.sites > 0)
      std::fprintf(stderr, "weft:   %s: %d of %d sites%s%s\n", o.path.empty() ? "(program)" : o.path.c_str(), o.patched, o.sites,
                   o.skipped != nullptr || !o.failed.empty() ? ", not patched: " : "",
                   o.skipped != nullptr ? o.skipped : o.failed.c_str());
}

}  // namespace

patch_result patch_all() {
  const std::lock_guard guard(lock);
  fill_handlers();
  const patch::result r = patch::patch_all_objects();
  total = {r.sites, r.patched, r.unpatchable, r.text};
  const char* debug = std::getenv("WEFT_DEBUG");
  if (debug != nullptr && *debug != 0 && *debug != '0') say(r);
  if (!r.text.empty()) std::fprintf(stderr, "weft: some calls will block their thread: %s\n", r.text.c_str());
  return total;
}

patch_result patch_info() {
  const std::lock_guard guard(lock);
  return total;
}

}  // namespace weft
