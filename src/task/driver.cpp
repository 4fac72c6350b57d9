// The driver: the fiber on whose stack the coroutines of a hub's tasks run, each in its turn; and the same for one fiber's own.
//
// A turn resumes the coroutine that is suspended, however deep it is in the chain of its task, and comes back when that task suspends
// again or is over. The running fiber is the task meanwhile, so that whatever asks (waiters, scopes, locks) finds the task.
#include <coroutine>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#include "core/greenlet.hpp"
#include "core/hub_state.hpp"
#include "core/switch.hpp"
#include "sys/report.hpp"
#include "weft/async_generator.hpp"
#include "weft/cancel.hpp"
#include "weft/task.hpp"

namespace weft::task_layer {
namespace {

using detail::driven;
using detail::fiber_base;
using detail::fiber_state;
using detail::hub;
using detail::outcome;
using detail::suspension;

void resume(hub& h, void* frame) {
  do
    std::coroutine_handle<>::from_address(frame).resume();
  while ((frame = std::exchange(h.tasks.transfer, nullptr)) != nullptr);
}

const detail::task_ops& ops_of(const fiber_base* f) noexcept { return *static_cast<const detail::task_ops*>(f->ops); }

// In a handler: how the task ended.
void note_failure(fiber_base* f) noexcept {
  try {
    throw;
  } catch (const cancelled&) {
    f->result = outcome::cancelled;
  } catch (...) {
    core::note_exception(f);
  }
}

[[gnu::noinline]] void end_extra(fiber_base* f) {
  if (f->extra->greenlets != nullptr) {
    core::end_greenlets(f->extra->greenlets);
    f->extra->greenlets = nullptr;
  }
  if (f->extra != nullptr && f->extra->locals != nullptr) core::destroy_fiber_locals(std::exchange(f->extra->locals, nullptr));
}

// It is over, in whatever way: those who wait for it hear of it, and what nobody can ask for any more goes. Destructors run as the task,
// so they cannot park.
void end(hub& h, fiber_base* f) {
  if (f->extra != nullptr) [[unlikely]]
    end_extra(f);
  f->state = fiber_state::done;
  if (f->refs == 1 && core::leaves_something(f)) core::fiber_dispose(f);
  core::finish(h, f);
  if (--f->refs != 0) return;
  core::set_current(h.tasks.driver);
  detail::fiber_free(f);
}

void collect(fiber_base* f) {
  try {
    ops_of(f).collect(f);
    f->result = outcome::value;
  } catch (...) {
    note_failure(f);
  }
}

// A first turn before which something is to be looked at.
[[gnu::noinline]] void* start_with_care(fiber_base* f) {
  if (f->extra != nullptr && f->extra->thrown != nullptr) {
    const auto thrown = std::exchange(*reinterpret_cast<std::exception_ptr*>(&f->extra->thrown), nullptr);
    f->ops->discard(f);
    std::rethrow_exception(thrown);
  }
  if (f->cancel_requested) {
    f->ops->discard(f);
    f->result = outcome::cancelled;
    return nullptr;
  }
  return ops_of(f).start(f);
}

// The first turn. Null when there is no coroutine to resume: cancelled before it began, or never made.
void* start(fiber_base* f) {
  try {
    return f->extra == nullptr && !f->cancel_requested ? ops_of(f).start(f) : start_with_care(f);
  } catch (...) {
    note_failure(f);
    return nullptr;
  }
}

void turn(hub& h, fiber_base* f) {
  core::set_current(f);
  if (h.traced) [[unlikely]]
    core::trace::run(h, f);
  const bool first = f->state == fiber_state::created;
  f->state = fiber_state::running;
  if (!first) [[likely]] {
    suspension& at = *f->leaf;
    if (at.step == nullptr || at.step(at)) resume(h, at.frame);
  } else if (void* frame = start(f)) {
    resume(h, frame);
  } else {
    return end(h, f);
  }
  if (f->state != fiber_state::running) return;  // it waits, or was made ready again
  collect(f);
  end(h, f);
}

void drive(fiber_base* driver) { core::take_turns(*driver->home, driver, turn); }

constexpr detail::fiber_ops driver_ops{drive, [](fiber_base*) noexcept {}, nullptr, sizeof(fiber_base)};

// While a coroutine of the fiber's runs, nothing parks.
class running {
public:
  running(hub& h, fiber_base* f, driven& d) noexcept : home_(h), fiber_(f) {
    f->in_task = true;
    h.tasks.by_fiber = &d;
  }
  ~running() {
    home_.tasks.by_fiber = nullptr;
    fiber_->in_task = false;
  }
  running(const running&) = delete;
  running& operator=(const running&) = delete;

private:
  hub& home_;
  fiber_base* fiber_;
};

// Where the coroutine is suspended the fiber parks instead.
void wait(hub& h, const driven& d) noexcept {
  if (d.wait != nullptr)
    detail::park(h, *d.wait, d.deadline);
  else
    *d.due = detail::yield(h);
}

void describe(const suspension& at, std::string& out) {
  int n = 0;
  for (const detail::promise_base* p = detail::promise_base::of(at.frame); p != nullptr; p = p->parent, ++n) {
    out.append("    await #").append(std::to_string(n)).append(" in ").append(p->function != nullptr ? p->function : "?");
    out.append(", line ").append(std::to_string(p->line)).append("\n");
  }
}

[[gnu::constructor(102)]] void install() { core::describe_awaits = describe; }

}  // namespace
}  // namespace weft::task_layer

namespace weft::detail {

void need_driver(hub& h) {
  if (h.tasks.driver == nullptr && !core::make_driver(h, &task_layer::driver_ops)) throw_out_of_stacks();
}

void run_in_this_fiber(void* frame) {
  hub& h = current_hub();
  fiber_base* self = current_fiber();
  if (core::parking_impossible(h)) throw_if_ended(h, wake::impossible, "weft::await");
  driven d;
  for (;;) {
    {
      const task_layer::running now(h, self, d);
      if (frame == nullptr) {
        suspension& at = *std::exchange(d.at, nullptr);
        if (at.step == nullptr || at.step(at)) task_layer::resume(h, at.frame);
      } else {
        task_layer::resume(h, std::exchange(frame, nullptr));
      }
    }
    if (d.at == nullptr) return;
    task_layer::wait(h, d);
  }
}

void dropped_while_awaited() noexcept {
  sys::report() << "an async_generator was destroyed while a task awaits its next value: it must live until then\n";
  std::abort();
}

void throw_no_task() { throw no_fiber(); }

}  // namespace weft::detail
