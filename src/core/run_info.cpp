// What all fibers of a hub are doing, as text. A suspended fiber's backtrace is taken by standing on its stack for a moment.
#include <cstdio>
#include <cstring>
#include <string>
#include <unwind.h>
#include <utility>

#include "core/backtrace.hpp"
#include "core/fcontext.hpp"
#include "core/hub_state.hpp"
#include "core/switch_x86_64.hpp"
#include "core/wait_targets.hpp"
#include "sys/syscall.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"

namespace weft::core {
namespace {

// What ontop_fcontext resumes.
struct fcontext_frame {
  std::uint32_t mxcsr;
  std::uint16_t x87;
  std::uint16_t unused[5];
  void* registers[5];
  void* frame_pointer;
  const void* resume_at;
};
static_assert(sizeof(fcontext_frame) == 0x48);

struct visit {
  frames* result;
  void* back = nullptr;  // context of the visitor
};

// Runs on the visited fiber's stack, on top of the frame that parked, and goes back to the visitor for good.
transfer_t look(transfer_t from) {
  auto& v = *static_cast<visit*>(from.data);
  _Unwind_Backtrace(note_frame, v.result);
  return jump_fcontext(from.fctx, nullptr);
}

frames backtrace_of(hub& h, fiber_base* f) {
  frames result;
  if (f == h.block->current) {
    _Unwind_Backtrace(note_frame, &result);
  } else if (f->context != nullptr && !h.annotate) {
    // Below what is suspended there, as if the function that parked had called `look`. Its frame is found by the frame pointer.
    const auto* there = static_cast<const suspended*>(f->context);
    auto at = reinterpret_cast<std::uintptr_t>(there) - sizeof(fcontext_frame);
    at -= (at - 8) % 16;  // so that `look` finds its stack as after a call
    auto* frame = ::new (reinterpret_cast<void*>(at)) fcontext_frame{};
    frame->mxcsr = there->mxcsr;
    frame->x87 = there->x87;
    frame->frame_pointer = there->frame_pointer;
    frame->resume_at = there->resume_at;
    visit v{&result};
    ontop_fcontext(frame, &v, look);
  }
  return result;
}

// The await that a coroutine of the fiber is suspended in; null when there is none.
const detail::suspension* awaited_by(const hub& h, const fiber_base* f, bool is_task) {
  if (is_task) return f != h.block->current && f->state != fiber_state::created ? f->leaf : nullptr;
  return f->parked != nullptr && f->parked->awaited ? &detail::suspension_of(*f->parked) : nullptr;
}

const char* state_name(const fiber_base* f) {
  switch (f->state) {
    case fiber_state::created: return "not begun";
    case fiber_state::ready: return "ready";
    case fiber_state::running: return "running";
    case fiber_state::parked: return "parked";
    case fiber_state::done: return "done";
  }
  return "?";
}

void describe_fiber(hub& h, fiber_base* f, const wait_targets& targets, std::string& out) {
  const std::string_view name = f->is_main ? "main" : f->extra != nullptr && f->extra->name != nullptr ? f->extra->name : "";
  char line[200];
  // A fiber is marked so, too, while it runs a coroutine as a part of itself.
  const bool is_task = f->in_task && (h.tasks.by_fiber == nullptr || f != h.block->current);
  std::snprintf(line, sizeof line, "%s %p", is_task ? "task" : "fiber", static_cast<void*>(f));
  out += line;
  if (!name.empty()) out.append(" \"").append(name).append("\"");
  out.append(": ").append(state_name(f));
  if (f->parked != nullptr) {
    const detail::nanos now = detail::now(h), since = f->parked->since;  // since: of a coarser clock
    std::snprintf(line, sizeof line, " in %s for %.3f s", f->parked->reason, now > since ? static_cast<double>(now - since) / 1e9 : 0.0);
    out.append(line).append(targets.words(f));
  }
  if (f->cancel_requested) out += ", cancelled";
  out += '\n';
  if (f->site != nullptr) out.append("    spawned at ").append(symbol(f->site)).append("\n");
  if (const detail::suspension* at = awaited_by(h, f, is_task)) describe_awaits(*at, out);
  append_frames(backtrace_of(h, f), out);
}

// The frames are named by what the loader knows; a program's own functions are there only if it was linked so.
void tell_of_names(std::string& out) {
  const std::string program = program_invocation_short_name, place = " (" + program + "+0x";
  for (std::size_t at = out.find(place); at != std::string::npos; at = out.find(place, at + 1)) {
    if (out[at - 1] < '0' || out[at - 1] > '9') continue;
    out += "(function and line: addr2line -Cfe " + program + " +0x...; linked with -rdynamic, functions are named here)\n";
    return;
  }
}

// `all_wait`: asked in the middle of a look for somebody to run, which may be made on the stack of a fiber that has ended.
std::string every_fiber(hub& h, const wait_targets& targets, bool all_wait = false) {
  std::string out = std::to_string(h.live) + " fibers on this hub, " + std::to_string(h.timers.size()) + " timers, " +
                    std::to_string(h.fd_waiters) + " descriptor waits, poller " + h.poll->name() + "\n";
  each_fiber(h, [&](fiber_base* f) {
    if (all_wait && f->state == fiber_state::running && f->unlisted && !f->service) return;
    describe_fiber(h, f, targets, out);
  });
  tell_of_names(out);
  return out;
}

// Nothing can run any more, or only another thread could change that (hub.cpp).
void stuck(hub& h, bool certain) noexcept {
  if (certain && h.main.parked != nullptr) {
    detail::hub_state& state = detail::hub_state::of(h);
    try {
      const wait_targets targets(h);
      state.deadlock_of_main = targets.words(&h.main);
      state.deadlocked_circles = targets.circles();
    } catch (...) {
    }
    if (detail::unpark(*h.main.parked, wake::deadlock)) return;
  }
  h.idle_reported = true;
  try {
    std::string text = "weft: ";
    text += certain ? "deadlock" : "every fiber is parked, and only another OS thread could wake one";
    const wait_targets targets(h);
    text += ":\n" + every_fiber(h, targets, true) + targets.circles();
    const std::string process = std::to_string(sys::raw(SYS_getpid));
    if (!certain) text += "`weft ps " + process + "` says who holds which lock, `weft bt " + process + "` where each stands\n";
    // Not by sys::report, which cuts: with many fibers the one to look for may be the last.
    for (std::size_t at = 0; at < text.size();) {
      const long n = sys::raw(SYS_write, 2, text.data() + at, text.size() - at);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
  } catch (...) {
  }
}

[[gnu::constructor(102)]] void install() { on_stuck = stuck; }

}  // namespace

std::string deadlock_report(hub& h, const char* reason) {
  detail::hub_state& state = detail::hub_state::of(h);
  const std::string target = std::exchange(state.deadlock_of_main, {}), circles = std::exchange(state.deadlocked_circles, {});
  return "deadlock: nothing is runnable and nothing could wake main, which waits in " + (reason + target) + "\n" + circles +
         every_fiber(h, wait_targets(h));
}

void (*describe_awaits)(const detail::suspension& at, std::string& out) = [](const detail::suspension&, std::string&) {};

}  // namespace weft::core

namespace weft {

std::string run_info() {
  detail::hub& h = detail::current_hub();
  const core::wait_targets targets(h);
  return core::every_fiber(h, targets) + targets.circles();
}

void print_run_info() { std::fputs(run_info().c_str(), stderr); }

}  // namespace weft
