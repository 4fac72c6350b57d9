// What Ctrl-C does to a program that does not handle it: cancels the main fiber, as asyncio.run does, and a main that ends by that
// dies of SIGINT, so that shells and make see an interrupted program instead of a crash.
//
// The default handler would end the process between any two instructions, with no fiber unwound. Only the default is replaced: a
// SIGINT that is ignored (nohup, a background job of a script) stays ignored.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "sync/signal_source.hpp"
#include "sys/syscall.hpp"

namespace weft::detail {
namespace {

sys::atomic<signal_port*> main_port;  // SIGINT's, of the main thread's hub, while the default is ours
sys::atomic<bool> arrived;            // the first one came
bool main_cancelled = false;          // and was handed to main
bool dying = false;
std::terminate_handler previous_terminate = nullptr;

[[noreturn]] void terminated() {
  if (main_cancelled && attached() && current_fiber()->is_main && core::is_cancelled(std::current_exception())) {
    // As Python does for KeyboardInterrupt: what runs at exit runs, other fibers are unwound, buffers are written; then the signal.
    dying = true;
    std::exit(128 + SIGINT);
  }
  if (previous_terminate != nullptr) previous_terminate();
  std::abort();
}

// The library's own destructors come after the program's.
[[gnu::destructor]] void die_if_interrupted() {
  if (!dying) return;
  std::fflush(nullptr);
  die_of(SIGINT);
}

void prepare(hub& h) noexcept {
  if (sys::raw(SYS_getpid) != sys::raw(SYS_gettid)) return;
  try {
    signal_port& p = hub_signals::of(h)->port(SIGINT);
    // Before the handler: the first SIGINT it sees finds the port.
    main_port.store_seq_cst(&p);
    if (!take_default_signal(p)) {
      main_port.store_seq_cst(nullptr);
      return;
    }
    static const bool once = [] {
      previous_terminate = std::set_terminate(terminated);
      return true;
    }();
    static_cast<void>(once);
  } catch (...) {
    // No memory for it: Ctrl-C ends the process, as it did before.
  }
}

[[gnu::constructor(102)]] void install() { core::on_hub_created = prepare; }

}  // namespace

void interrupt_arrived() noexcept {
  signal_port* p = main_port.load_seq_cst();
  // Nobody to cancel, or main was asked before and has not ended since: what Ctrl-C usually does.
  if (p == nullptr || arrived.exchange(true)) {
    die_of(SIGINT);
    return;
  }
  if (!p->pending.exchange(true)) core::hub_post(*p->owner->home, *p);
}

void interrupt_heard_by_listener() noexcept { arrived.store_seq_cst(false); }

bool interrupt_main(const signal_port& p) noexcept {
  if (main_port.load_relaxed() != &p) return false;
  main_cancelled = true;
  fiber_cancel(&p.owner->home->main);
  return true;
}

void interrupt_end(const hub_signals& s) noexcept {
  signal_port* p = main_port.load_relaxed();
  if (p == nullptr || p->owner != &s) return;
  give_back_default_signal(SIGINT);
  main_port.store_seq_cst(nullptr);
  arrived.store_seq_cst(false);
}

}  // namespace weft::detail
