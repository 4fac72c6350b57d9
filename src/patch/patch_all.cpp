// weft::patch_all(): fills the table of handlers from the door's list of calls and redirects the sites of every loaded object.
#include "weft/patch.hpp"

#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <sys/syscall.h>
#include <utility>

#include "core/libc_threads.hpp"
#include "core/hub_state.hpp"
#include "core/redirected.hpp"
#include "io/dispatch.hpp"
#include "io/futex.hpp"
#include "io/signal_actions.hpp"
#include "patch/audit.hpp"
#include "patch/dispatch.hpp"
#include "patch/patch.hpp"
#include "patch/resolver_slots.hpp"
#include "patch/symbols.hpp"
#include "sys/features.hpp"

namespace weft {
namespace {

std::mutex lock;
patch_result total;

void fill_handlers() {
  const char* selection = sys::env("WEFT_PATCH");
  io::each_door([&](const io::door_entry& row) {
    if (io::group_selected(row.group, selection)) patch::set_handler(row.nr, row.handle);
  });
  if (patch::more_handlers != nullptr) patch::more_handlers();
  if (patch::last_handlers != nullptr) patch::last_handlers();
  const char* audit = sys::env("WEFT_AUDIT");
  if (audit == nullptr || *audit == 0 || *audit == '0') return;
  for (long nr = 0; nr < patch::handler_count; ++nr) patch::audit_call(nr);
  patch::report_audit_at_exit();
}

// Tells io where libweft.so lies.
void note_own_text() {
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void*) {
        if (object->dlpi_name == nullptr || *object->dlpi_name == 0) return 0;  // the program itself
        const auto entry = reinterpret_cast<std::uintptr_t>(&io::weft_signal_entry);
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& part = object->dlpi_phdr[i];
          const std::uintptr_t begin = object->dlpi_addr + part.p_vaddr;
          if (part.p_type != PT_LOAD || entry - begin >= part.p_memsz) continue;
          io::note_own_text(reinterpret_cast<const void*>(begin), reinterpret_cast<const void*>(begin + part.p_memsz));
          return 1;
        }
        return 0;
      },
      nullptr);
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

bool debugging() {
  const char* debug = sys::env("WEFT_DEBUG");
  return debug != nullptr && *debug != 0 && *debug != '0';
}

// WEFT_DOOR.
enum class door {
  automatic,  // sites; symbols where libc's text cannot be written
  sites,
  symbols,
};

door wanted_door() {
  const char* value = sys::env("WEFT_DOOR");
  const std::string_view word = value != nullptr ? value : "";
  if (word == "sites") return door::sites;
  if (word == "symbols") return door::symbols;
  if (!word.empty() && word != "auto") {
    static bool said = false;
    if (!std::exchange(said, true))
      std::fprintf(stderr, "weft: WEFT_DOOR=%s is none of sites, symbols, auto: taken as auto\n", value);
  }
  return door::automatic;
}

void adopt_signal_handlers() {
  if (!io::group_selected("signal", sys::env("WEFT_PATCH"))) return;
  note_own_text();
  io::adopt_actions();
}

void open_symbols() {
  patch::open_symbols();
  total.symbols = patch::symbols_offered();
  core::calls_redirected = true;
  adopt_signal_handlers();
}

patch_result by_symbols() {
  total = {};
  open_symbols();
  if (debugging()) std::fprintf(stderr, "weft: %d names interposed before libc, no system call sites patched\n", total.symbols);
  return total;
}

// Why no call that libc makes can be redirected; empty when they can.
std::string libc_refused() {
  for (const patch::object_report& o : patch::report())
    if (const std::string_view path = o.path; path.substr(path.rfind('/') + 1).starts_with("libc.so") && o.patched == 0) return o.failed;
  return {};
}

void find_libc_data() {
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void*) {
        const std::string_view path = object->dlpi_name;
        if (!path.substr(path.rfind('/') + 1).starts_with("libc.so")) return 0;
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& p = object->dlpi_phdr[i];
          if (p.p_type == PT_LOAD && (p.p_flags & PF_W) != 0)
            io::futex::libc_data = {object->dlpi_addr + p.p_vaddr, object->dlpi_addr + p.p_vaddr + p.p_memsz};
        }
        return 1;
      },
      nullptr);
}

}  // namespace

patch_result patch_all() {
  const std::lock_guard guard(lock);
  if (!core::can_run_here()) {
    total.error = "this system lets no program set its GS base";
    return total;
  }
  find_libc_data();
  fill_handlers();
  const door wanted = wanted_door();
  if (patch::symbols_open() || (wanted == door::symbols && patch::symbols_offered() > 0)) return by_symbols();
  if (wanted == door::symbols && total.sites == 0)
    std::fprintf(stderr, "weft: WEFT_DOOR=symbols needs libweft-shim.so, preloaded or linked: system call sites are patched instead\n");
  const patch::result r = patch::patch_all_objects();
  total = {};
  total.sites = r.sites;
  total.sites_patched = r.patched;
  if (r.patched > 0) core::calls_redirected = true;
  total.unpatchable = r.unpatchable;
  total.error = r.text;
  if (debugging()) say(r);
  // The shim's symbols stand before libc's already.
  if (r.patched > 0 && patch::symbols_offered() == 0 && io::group_selected("resolver", sys::env("WEFT_PATCH"))) {
    const int slots = patch::redirect_resolver();
    if (debugging()) std::fprintf(stderr, "weft: %d calls of the getaddrinfo family lead to Weft's resolver\n", slots);
  }
  if (r.patched > 0 && patch::handlers[SYS_futex] != nullptr) core::expect_futex_waits();
  const std::string refused = r.text.empty() ? std::string() : r.patched == 0 ? r.text : libc_refused();
  // Only when libc's sigaction comes to Weft too: the program is never to see Weft's entry as its handler.
  if (refused.empty() && r.patched > 0) adopt_signal_handlers();
  if (!refused.empty() && wanted == door::automatic && patch::symbols_offered() > 0) {
    open_symbols();
    std::fprintf(stderr, "weft: %s: libc's functions are interposed instead, and what libc calls inside itself blocks its thread\n",
                 r.text.c_str());
  } else if (!r.text.empty()) {
    std::fprintf(stderr, "weft: some calls will block their thread: %s\n", r.text.c_str());
  }
  return total;
}

patch_result patch_info() {
  const std::lock_guard guard(lock);
  if (total.sites == 0) return total;
  // What was loaded since counts, too.
  patch_result now = total;
  now.sites = now.sites_patched = 0;
  for (const patch::object_report& o : patch::report()) {
    now.sites += o.sites;
    now.sites_patched += o.patched;
  }
  return now;
}

}  // namespace weft
