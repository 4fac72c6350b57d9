// How a trace begins: WEFT_TRACE, trace_start. Ordinary C++.
#include "weft/trace.hpp"

#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <sys/auxv.h>
#include <system_error>
#include <unistd.h>

#include "core/hub_state.hpp"
#include "core/trace.hpp"
#include "sys/clock.hpp"
#include "sys/features.hpp"
#include "sys/own_handlers.hpp"
#include "sys/report.hpp"
#include "sys/size_text.hpp"
#include "trace/ends.hpp"

namespace weft::trace {
namespace {

std::mutex lock;

constexpr std::size_t usual_bytes = 16 << 20;

std::size_t wanted_bytes(std::size_t asked) {
  if (asked != 0) return asked;
  const char* text = sys::env("WEFT_TRACE_SIZE");
  const std::size_t named = text != nullptr ? sys::parse_size(text) : 0;
  return named != 0 ? named : usual_bytes;
}

// The program may go elsewhere before its end.
std::string absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  char here[PATH_MAX];
  return getcwd(here, sizeof here) != nullptr ? std::string(here) + "/" + path : path;
}

std::string new_run() { return std::to_string(getpid()) + "-" + std::to_string(sys::clock_ns(CLOCK_REALTIME)); }

void tell_hubs(bool traced) {
  core::for_each_hub([traced](detail::hub& h) { __atomic_store_n(&h.traced, traced, __ATOMIC_RELAXED); });
}

bool green_mode() {
  const char* mode = sys::env("WEFT_MODE");
  return mode != nullptr && std::string_view(mode) == "green";
}

// Signals that end a process which does not handle them. Not SIGINT, whose default is replaced when a hub is made
// (sync/signal_interrupt.cpp); SIGSEGV and SIGBUS have a handler of Weft's (core/overflow.cpp). Under `weft run` src/green sees them all.
void watch_signals() {
  if (green_mode() || sys::default_stand_in != nullptr) return;
  sys::note_own_handler(reinterpret_cast<const void*>(on_deadly));
  sys::default_stand_in = reinterpret_cast<const void*>(on_deadly);
  for (const int number : {SIGHUP, SIGQUIT, SIGILL, SIGABRT, SIGFPE, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGSYS, SIGTRAP, SIGXCPU,
                           SIGVTALRM, SIGPROF, SIGPOLL}) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) continue;
    now.sa_sigaction = on_deadly;
    now.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&now.sa_mask);
    sigaction(number, &now, nullptr);
  }
}

void watch() {
  watch_ends();
  watch_signals();
}

long start(const std::string& path, const std::string& run, std::size_t bytes, bool first) {
  if (const long error = core::trace::ask(path.c_str(), run.c_str(), bytes); error != 0) return error;
  if (first)
    if (const long error = core::trace::prepare_file(); error != 0) return error;
  watch();
  begun();
  core::trace::begin();
  tell_hubs(true);
  return 0;
}

// After the library's other constructors, and before the shim's.
[[gnu::constructor(105)]] void from_environment() {
  const char* path = sys::env("WEFT_TRACE");
  // A program with more rights than its caller takes no orders from the environment.
  if (path == nullptr || *path == 0 || getauxval(AT_SECURE) != 0) return;
  const char* known = sys::env("WEFT_TRACE_RUN");
  const bool first = known == nullptr || *known == 0;
  const std::string run = first ? new_run() : known, file = absolute(path);
  const long error = start(file, run, wanted_bytes(0), first);
  if (error == 0) {
    if (!first) return;
    setenv("WEFT_TRACE", file.c_str(), 1);  // its children may start elsewhere
    setenv("WEFT_TRACE_RUN", run.c_str(), 1);
    return;
  }
  sys::report() << file.c_str() << ": " << std::strerror(static_cast<int>(-error)) << ": nothing is traced\n";
  unsetenv("WEFT_TRACE");
}

[[gnu::destructor]] void at_exit() { finish("exit"); }

}  // namespace
}  // namespace weft::trace

namespace weft {

void trace_start(const std::string& path, std::size_t bytes) {
  const std::lock_guard guard(trace::lock);
  if (core::trace::on()) throw std::system_error(EBUSY, std::generic_category(), "weft::trace_start: a trace is being recorded");
  if (path.empty()) throw std::system_error(ENOENT, std::generic_category(), "weft::trace_start");
  const std::string file = trace::absolute(path);
  const long error = trace::start(file, trace::new_run(), trace::wanted_bytes(bytes), true);
  if (error != 0) throw std::system_error(static_cast<int>(-error), std::generic_category(), "weft::trace_start: " + file);
}

void trace_stop() {
  const std::lock_guard guard(trace::lock);
  if (!core::trace::on()) return;
  trace::tell_hubs(false);
  const long error = trace::finish("trace_stop");
  core::trace::stop();
  if (error != 0) throw std::system_error(static_cast<int>(-error), std::generic_category(), "weft::trace_stop");
}

bool tracing() noexcept { return core::trace::on(); }

}  // namespace weft
