#include "green/mode.hpp"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <string_view>
#include <sys/auxv.h>

#include "core/hub_state.hpp"
#include "core/trace.hpp"
#include "green/begin.hpp"
#include "green/end.hpp"
#include "green/fork.hpp"
#include "green/names.hpp"
#include "green/priority_locks.hpp"
#include "green/rows.hpp"
#include "green/shared_memory.hpp"
#include "green/stats.hpp"
#include "io/after_fork.hpp"
#include "io/futex.hpp"
#include "patch/dispatch.hpp"
#include "sys/features.hpp"
#include "weft/patch.hpp"

namespace weft::green {
namespace {

bool asked_for() {
  const char* mode = std::getenv("WEFT_MODE");
  return mode != nullptr && std::string_view(mode) == "green";
}

const char* why_not() {
  constexpr unsigned long fsgsbase_enabled = 2;  // HWCAP2_FSGSBASE
  if ((getauxval(AT_HWCAP2) & fsgsbase_enabled) == 0 || !sys::have(sys::feature::fsgsbase))
    return "this machine does not let programs set their FS base (FSGSBASE)";
  if (patch_info().sites_patched == 0) return "no system call site could be redirected";
  return nullptr;
}

hub* create() noexcept {
  // Ctrl-C is for the program's own threads to see, and ends a program that does not handle it.
  if (preemptive) core::on_hub_created = nullptr;
  try {
    return &detail::current_hub();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "weft: threads are the kernel's: %s\n", e.what());
    return nullptr;
  }
}

// Whether the program, or a library of its, is linked with libweft.so: it uses the API, whose inline parts count on switches only where
// they park.
bool uses_api() {
  bool found = false;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* result) {
        const std::string_view path = object->dlpi_name;
        if (path.substr(path.rfind('/') + 1).starts_with("libweft")) return 0;
        const ElfW(Dyn)* dynamic = nullptr;
        for (int i = 0; i < object->dlpi_phnum; ++i)
          if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = reinterpret_cast<const ElfW(Dyn)*>(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
        if (dynamic == nullptr || path.starts_with("linux-vdso")) return 0;
        const char* names = nullptr;
        for (const auto* d = dynamic; d->d_tag != DT_NULL; ++d)
          if (d->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(d->d_un.d_ptr);
        for (const auto* d = dynamic; names != nullptr && d->d_tag != DT_NULL; ++d)
          if (d->d_tag == DT_NEEDED && std::string_view(names + d->d_un.d_val).starts_with("libweft.so"))
            *static_cast<bool*>(result) = true;
        return 0;
      },
      &found);
  return found;
}

void find_rseq() {
  const auto* offset = static_cast<const std::ptrdiff_t*>(dlsym(RTLD_DEFAULT, "__rseq_offset"));
  const auto* size = static_cast<const unsigned*>(dlsym(RTLD_DEFAULT, "__rseq_size"));
  if (offset == nullptr || size == nullptr || *size == 0) return;
  rseq_offset = *offset;
  rseq_size = *size < 32 ? 32 : *size;
}

void set_hooks() {
  find_rseq();
  make_hub = create;
  core::on_thread_over = thread_over;
  core::on_thread_block_free = free_thread;
  core::trace::thread_label = label_of;
  io::forget_other_threads = in_forked_child;
  io::futex::woken_by_threads = woken_here;
  io::futex::pi_of_threads = pi_call;
}

}  // namespace

bool prepare_for_own() {
  static const bool ready = [] {
    if (wanted) return true;
    if (core::annotations_wanted()) return false;  // the sanitizers know nothing of stacks that libc makes for Weft
    patch::more_handlers = put_rows;
    patch_all();
    if (why_not() != nullptr) return false;
    set_hooks();
    preemptive = false;
    return true;
  }();
  return ready;
}

void expect() {
  if (asked_for()) patch::more_handlers = put_rows;
}

bool prepare() {
  if (!asked_for() || wanted) return true;
  if (const char* why = why_not()) {
    std::fprintf(stderr, "weft: %s: pthreads stay threads of the kernel\n", why);
    return false;
  }
  set_hooks();
  preemptive = !uses_api();
  start_stats(patch_info().sites_patched);
  wanted = true;
  return true;
}

}  // namespace weft::green
