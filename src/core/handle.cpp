// What runs a fiber's body and what its handles do: the ordinary C++ face of src/core/fiber.cpp.
#include <cstring>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <new>

#include "core/greenlet.hpp"
#include "core/hub_state.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"

namespace weft::core {
namespace {

using detail::fiber_extra;
using detail::outcome;

// Of one that ended by one.
std::exception_ptr& exception_of(fiber_base* f) noexcept { return *reinterpret_cast<std::exception_ptr*>(&f->exception); }
static_assert(sizeof(std::exception_ptr) == sizeof(void*));

std::exception_ptr take_thrown(fiber_base* f) noexcept {
  auto& slot = *reinterpret_cast<std::exception_ptr*>(&f->extra->thrown);
  return std::exchange(slot, nullptr);
}

void free_extra(fiber_extra* e) noexcept {
  reinterpret_cast<std::exception_ptr*>(&e->thrown)->~exception_ptr();
  delete[] e->name;
  delete e;
}

// Everything the fiber leaves behind goes, with a report if it failed unseen. Nothing is left for a second call.
void dispose(fiber_base* f) noexcept {
  if (f->result == outcome::value && f->ops->destroy != nullptr) f->ops->destroy(f);
  if (f->result == outcome::no_stack && !f->observed) {
    f->observed = true;
    report_failure(f, std::make_exception_ptr(out_of_stacks()));
  }
  const outcome before = std::exchange(f->result, f->result == outcome::cancelled ? outcome::cancelled : outcome::none);
  if (before == outcome::exception) {
    const std::exception_ptr failure = std::exchange(exception_of(f), nullptr);
    if (!f->observed) report_failure(f, failure);
  }
  if (fiber_extra* extra = std::exchange(f->extra, nullptr)) extra->free(extra);
}

// Holds cancellation back while what a fiber leaves behind is destroyed: a destructor that parks must not throw.
class shielded {
public:
  explicit shielded(fiber_base* f) noexcept : home_(*f->home) {
    scope_.shielded = true;
    detail::scope_enter(home_, scope_, detail::never);
  }
  ~shielded() { detail::scope_exit(home_, scope_); }
  shielded(const shielded&) = delete;
  shielded& operator=(const shielded&) = delete;

private:
  detail::hub& home_;
  detail::scope scope_;
};

void discard_body(fiber_base* f) noexcept {
  const shielded held(f);
  f->ops->discard(f);
}

// A body of which something is to be looked at first.
[[gnu::noinline]] void invoke_with_care(fiber_base* f) {
  if (f->extra != nullptr && f->extra->thrown != nullptr) {
    const std::exception_ptr thrown = take_thrown(f);
    discard_body(f);
    std::rethrow_exception(thrown);
  }
  if (f->cancel_requested) {
    discard_body(f);
    f->result = outcome::cancelled;
    return;
  }
  if (f->own_thread)
    invoke_on_own_thread(f);
  else
    f->ops->invoke(f);
  f->result = outcome::value;
}

// Not noexcept: pthread_exit's forced unwinding passes through, to the end of the stack.
void run_body(fiber_base* f) {
  try {
    if (f->extra != nullptr || f->cancel_requested || f->own_thread) [[unlikely]] {
      invoke_with_care(f);
    } else {
      f->ops->invoke(f);
      f->result = outcome::value;
    }
  } catch (const cancelled&) {
    f->result = outcome::cancelled;
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    note_exception(f);
  }
}

[[gnu::noinline]] void end_extra(fiber_base* f) noexcept {
  if (f->extra->greenlets != nullptr) {
    const shielded held(f);
    end_greenlets(f->extra->greenlets);
    f->extra->greenlets = nullptr;
  }
  if (f->extra != nullptr && f->extra->locals != nullptr) {
    const shielded held(f);
    destroy_fiber_locals(std::exchange(f->extra->locals, nullptr));
  }
}

[[gnu::noinline]] void dispose_here(fiber_base* f) noexcept {
  const shielded held(f);
  dispose(f);
}

void body(fiber_base* f) noexcept {
  run_body(f);
  if (f->extra != nullptr) [[unlikely]]
    end_extra(f);
  // The last reference is the run's own: nobody can ask any more. Destructors run here, on the fiber's own stack, where they
  // may park.
  if (f->refs == 1 && leaves_something(f)) [[unlikely]]
    dispose_here(f);
}

// What a handle asks of its hub from another OS thread.
struct request : remote_node {
  fiber_base* fiber = nullptr;
};

// False when the hub has ended.
bool send(fiber_base* f, void (*run)(hub&, remote_node*) noexcept) {
  auto r = std::make_unique<request>();
  r->run = run;
  r->fiber = f;
  if (!post_node(detail::hub_state::of(*f->home), *r)) return false;
  (void)r.release();
  return true;
}

[[gnu::constructor(102)]] void install() {
  fiber_body = body;
  fiber_dispose = dispose;
}

void require_home(const fiber_base* f) {
  if (f == nullptr) throw no_fiber();
  if (!detail::on_hub(f->home)) throw wrong_hub("the fiber");
}

}  // namespace

void (*destroy_fiber_locals)(void* locals) noexcept = nullptr;
void (*invoke_on_own_thread)(fiber_base* f) = nullptr;

void note_exception(fiber_base* f) noexcept {
  new (&f->exception) std::exception_ptr(std::current_exception());
  f->result = outcome::exception;
}

void hand_on_thrown(fiber_base* from, fiber_base* to) {
  *reinterpret_cast<std::exception_ptr*>(&extra_of(to).thrown) = take_thrown(from);
  detail::fiber_interrupt(to);
}

void drop_extra(fiber_base* f) noexcept {
  if (f->extra == nullptr) return;
  if (f->extra->locals != nullptr) {
    const shielded held(f);
    destroy_fiber_locals(std::exchange(f->extra->locals, nullptr));
  }
  fiber_extra* extra = std::exchange(f->extra, nullptr);
  extra->free(extra);
}

fiber_extra& extra_of(fiber_base* f) {
  if (f->extra == nullptr) {
    f->extra = new fiber_extra;
    f->extra->free = free_extra;
  }
  return *f->extra;
}

}  // namespace weft::core

namespace weft::detail {

void set_name(fiber_base* f, std::string_view name) {
  fiber_extra& extra = core::extra_of(f);
  auto* copy = new char[name.size() + 1];
  std::memcpy(copy, name.data(), name.size());
  copy[name.size()] = 0;
  delete[] std::exchange(extra.name, copy);
}

void throw_out_of_stacks() { throw out_of_stacks(); }

}  // namespace weft::detail

namespace weft {

using detail::fiber_base;
using detail::outcome;

void any_fiber::retain(fiber_base* f) {
  if (!detail::on_hub(f->home)) throw wrong_hub("the fiber");
  detail::fiber_retain(f);
}

void any_fiber::release_far(fiber_base* f) noexcept {
  // Dropped on another OS thread: the reference goes home.
  const auto run = [](detail::hub&, core::remote_node* n) noexcept {
    const std::unique_ptr<core::request> mine(static_cast<core::request*>(n));
    any_fiber last(mine->fiber);
    // What the fiber left behind is destroyed in a fiber: its destructors may park.
    if (mine->fiber->refs == 1 && core::leaves_something(mine->fiber)) try {
        spawn({.name = "release"}, [last = std::move(last)]() mutable { last = {}; });
      } catch (...) {
      }
  };
  try {
    if (core::send(f, run)) return;
  } catch (...) {
    return;  // without memory for the message the reference is lost
  }
  core::release_after_end(f);
}

bool any_fiber::successful() const noexcept {
  if (!done()) return false;
  f_->observed = true;
  return f_->result == outcome::value;
}

std::exception_ptr any_fiber::exception() const {
  if (!done()) return nullptr;
  f_->observed = true;
  if (f_->result == outcome::no_stack) return std::make_exception_ptr(out_of_stacks());
  return f_->result == outcome::exception ? core::exception_of(f_) : nullptr;
}

void any_fiber::throw_no_fiber() { throw no_fiber(); }

bool any_fiber::join_until(detail::nanos deadline) const {
  fiber_base* f = f_;
  if (f == nullptr) throw no_fiber();
  detail::hub& h = detail::current_hub();
  if (f->home != &h) throw wrong_hub("the fiber");
  if (f->state == detail::fiber_state::done) {
    detail::check_cancelled(h);
    return true;
  }
  detail::waiter w("join");
  if (w.fiber == f) throw self_join();
  f->completion.push_back(w);
  return detail::wait_on(h, w, deadline);
}

void any_fiber::wait_value(detail::nanos deadline) const {
  if (!join_until(deadline)) throw timeout_error("the fiber did not end in time");
  settle();
}

void any_fiber::throw_outcome() const {
  switch (f_->result) {
    case outcome::exception: std::rethrow_exception(core::exception_of(f_));
    case outcome::cancelled: throw fiber_cancelled();
    case outcome::no_stack: throw out_of_stacks();
    default: return;
  }
}

void any_fiber::take_value() const {
  if (f_->taken) throw result_taken();
  f_->taken = true;
}

void any_fiber::cancel() const {
  if (f_ == nullptr) throw no_fiber();
  if (detail::on_hub(f_->home)) {
    detail::fiber_cancel(f_);
    return;
  }
  // Counting references is the hub's own business, so the request holds none: the caller's handle must live until this returns,
  // and the hub runs what was sent before it gives the block of a fiber away (fiber_release).
  const bool sent = core::send(f_, [](detail::hub&, core::remote_node* n) noexcept {
    const std::unique_ptr<core::request> mine(static_cast<core::request*>(n));
    detail::fiber_cancel(mine->fiber);
  });
  if (!sent) throw hub_closed();
}

void any_fiber::kill() const {
  core::require_home(f_);
  cancel();
  if (f_ == detail::current_fiber())
    detail::check_cancelled(*f_->home);
  else
    join();
}

void any_fiber::throw_in(std::exception_ptr e) const {
  core::require_home(f_);
  if (e == nullptr || done()) return;
  *reinterpret_cast<std::exception_ptr*>(&core::extra_of(f_).thrown) = std::move(e);
  detail::fiber_interrupt(f_);
}

std::string_view any_fiber::name() const noexcept {
  if (f_ == nullptr) return {};
  if (f_->is_main) return "main";
  return f_->extra != nullptr && f_->extra->name != nullptr ? f_->extra->name : "";
}

namespace this_fiber {

any_fiber current() {
  detail::current_hub();
  fiber_base* f = detail::current_fiber();
  detail::fiber_retain(f);
  return any_fiber::weft_adopt(f);
}

}  // namespace this_fiber
}  // namespace weft
