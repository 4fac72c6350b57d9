#include "green/mode.hpp"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <string_view>
#include <sys/auxv.h>

#include "core/hub_state.hpp"
#include "green/begin.hpp"
#include "green/end.hpp"
#include "green/fork.hpp"
#include "green/rows.hpp"
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
  try {
    return &detail::create_hub();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "weft: threads are the kernel's: %s\n", e.what());
    return nullptr;
  }
}

void find_rseq() {
  const auto* offset = static_cast<const std::ptrdiff_t*>(dlsym(RTLD_DEFAULT, "__rseq_offset"));
  const auto* size = static_cast<const unsigned*>(dlsym(RTLD_DEFAULT, "__rseq_size"));
  if (offset == nullptr || size == nullptr || *size == 0) return;
  rseq_offset = *offset;
  rseq_size = *size < 32 ? 32 : *size;
}

}  // namespace

void expect() {
  if (asked_for()) patch::more_handlers = put_rows;
}

bool prepare() {
  if (!asked_for() || wanted) return true;
  if (const char* why = why_not()) {
    std::fprintf(stderr, "weft: %s: pthreads stay threads of the kernel\n", why);
    return false;
  }
  find_rseq();
  make_hub = create;
  core::on_thread_over = thread_over;
  core::on_thread_block_free = free_thread;
  io::forget_other_threads = in_forked_child;
  io::futex::woken_by_threads = is_tid_word;
  before_exit = report_stats;
  wanted = true;
  return true;
}

}  // namespace weft::green
