// Handlers and rows of the calls about signals.
#include "io/dispatch.hpp"

#include "io/door.hpp"
#include "io/signal_waits.hpp"
#include "io/signal_actions.hpp"
#include "sys/process_mark.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// On every thread: actions are the process's. A child that borrows this memory has actions of its own, in the kernel.
door_answer on_rt_sigaction(door_frame* f, long) noexcept {
  if (f->r10 != 8 || !convertible(f->rdi) || !sys::owns_memory()) return pass_on;
  return {set_action(static_cast<int>(f->rdi), reinterpret_cast<const void*>(f->rsi), reinterpret_cast<void*>(f->rdx)), 0};
}

door_answer on_pause(door_frame* f, long) noexcept {
  return cooperate(f, [](hub& h) { return pause(h); });
}

door_answer on_rt_sigsuspend(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) { return sigsuspend(h, reinterpret_cast<const void*>(f->rdi), static_cast<std::size_t>(f->rsi)); });
}

door_answer on_rt_sigtimedwait(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return sigtimedwait(h, reinterpret_cast<const void*>(f->rdi), reinterpret_cast<void*>(f->rsi),
                        reinterpret_cast<const timespec*>(f->rdx), static_cast<std::size_t>(f->r10));
  });
}

constexpr const char* group = "signal";

constexpr door_entry rows[] = {
    {SYS_rt_sigaction, group, "rt_sigaction", {on_rt_sigaction}},
    {SYS_pause, group, "pause", {on_pause}},
    {SYS_rt_sigsuspend, group, "rt_sigsuspend", {on_rt_sigsuspend}},
    {SYS_rt_sigtimedwait, group, "rt_sigtimedwait", {on_rt_sigtimedwait}},
};

}  // namespace

door_rows signal_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

}  // namespace weft::io
