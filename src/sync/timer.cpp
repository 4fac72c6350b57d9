// Timers with a function. An armed timer keeps itself alive; all of a hub's are in one list, dropped when the hub ends.
#include "weft/timer.hpp"

#include <stdexcept>

#include "core/hub_state.hpp"
#include "weft/detail/sync.hpp"
#include "weft/fiber.hpp"

namespace weft::detail {
namespace {

// This thread's armed timers. Fibers never leave their OS thread, so this is the hub's.
struct armed_timers {
  hub* home = nullptr;
  bool ended = false;
  call_timer* first = nullptr;
};
thread_local armed_timers armed;

void end_timers() noexcept;

}  // namespace

// States: armed (in the list, `self_` set) -> started (a fiber for the call exists) -> armed again if periodic, else over.
class call_timer : public std::enable_shared_from_this<call_timer> {
public:
  call_timer(hub& h, std::unique_ptr<timed_call> fn, nanos due, nanos period) noexcept
      : home_(&h), fn_(std::move(fn)), due_(due), period_(period) {}

  void arm() {
    self_ = shared_from_this();
    next_ = armed.first;
    if (next_ != nullptr) next_->prev_ = this;
    armed.first = this;
    node_.owner = this;
    node_.fire = [](timer_node* n) noexcept { static_cast<node*>(n)->owner->fire(); };
    if (due_ != never) timer_arm(*home_, node_, due_);
  }

  bool cancel() {
    on_home(home_, "timer");
    if (!active()) return false;
    stop();
    return true;
  }
  bool active() const noexcept { return !over_; }

  void stop() noexcept {
    over_ = true;
    const auto keep = disarm();
    if (!running_) fn_.reset();
  }

private:
  struct node : timer_node {
    call_timer* owner = nullptr;
  };

  // Returns what kept it alive while it was armed.
  std::shared_ptr<call_timer> disarm() noexcept {
    if (self_ == nullptr) return nullptr;
    timer_disarm(*home_, node_);
    (prev_ != nullptr ? prev_->next_ : armed.first) = next_;
    if (next_ != nullptr) next_->prev_ = prev_;
    next_ = prev_ = nullptr;
    return std::move(self_);
  }

  // In the hub's own time: only starts a fiber.
  void fire() noexcept {
    std::shared_ptr<call_timer> me = disarm();
    try {
      spawn([me]() mutable { me->run(); });
    } catch (...) {
      core::report_failure(&home_->main, std::current_exception());
      after();
    }
  }

  void run() {
    if (over_) return;  // cancelled between the moment and this fiber's turn
    running_ = true;
    if (period_ == 0) over_ = true;
    try {
      fn_->call();
    } catch (const cancelled&) {
      over_ = true;
      after();
      throw;
    } catch (...) {
      after();
      set_name(current_fiber(), period_ == 0 ? "call_later" : "call_every");
      throw;
    }
    after();
  }

  // The call is over: the next moment that is not past, or the end.
  void after() {
    running_ = false;
    if (period_ == 0) over_ = true;
    if (over_ || armed.ended) {
      over_ = true;
      fn_.reset();
      return;
    }
    const nanos time = now(*home_);
    due_ += period_;
    if (due_ < time) due_ += (time - due_ + period_ - 1) / period_ * period_;
    arm();
  }

  hub* home_;
  std::unique_ptr<timed_call> fn_;
  nanos due_;
  nanos period_;
  bool over_ = false;
  bool running_ = false;
  node node_;
  std::shared_ptr<call_timer> self_;
  call_timer *next_ = nullptr, *prev_ = nullptr;
};

namespace {

void end_timers() noexcept {
  armed.ended = true;
  while (armed.first != nullptr) armed.first->stop();
}

}  // namespace

std::shared_ptr<call_timer> start_timer(hub& h, std::unique_ptr<timed_call> fn, nanos first, nanos period) {
  if (armed.home != &h) {
    hub_state::of(h).at_end.push_back(end_timers);
    armed = {&h, false, nullptr};
  }
  auto t = std::make_shared<call_timer>(h, std::move(fn), first, period);
  if (armed.ended)
    t->stop();  // the hub is ending: nothing fires any more
  else
    t->arm();
  return t;
}

void throw_bad_period() { throw std::invalid_argument("call_every: the period must be positive"); }

}  // namespace weft::detail

namespace weft {

bool timer_handle::cancel() { return timer_ != nullptr && timer_->cancel(); }
bool timer_handle::active() const noexcept { return timer_ != nullptr && timer_->active(); }

}  // namespace weft
