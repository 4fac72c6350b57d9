// What programs hold: receivers that fibers wait on, and functions that are called. Both are listeners of their hub's signals.
#include "weft/signal.hpp"

#include <cerrno>
#include <system_error>

#include "sync/signal_source.hpp"
#include "weft/fiber.hpp"

namespace weft {
namespace detail {
namespace {

std::uint64_t bits_of(std::initializer_list<int> signals) {
  std::uint64_t set = 0;
  for (const int n : signals) {
    if (n < 1 || n > most_signals) throw std::system_error(EINVAL, std::generic_category(), "weft: no such signal");
    set |= signal_bit(n);
  }
  return set;
}

}  // namespace

struct signal_reception : signal_listener {
  explicit signal_reception(std::shared_ptr<hub_signals> s) noexcept : source(std::move(s)) {
    arrived = [](signal_listener& l, int number) noexcept {
      auto& self = static_cast<signal_reception&>(l);
      if (wait_node* n = self.waiters.front()) {
        auto& w = *static_cast<signal_waiter*>(n);
        w.number = number;
        unpark(w);
      } else {
        self.pending |= signal_bit(number);
      }
    };
  }
  int take() noexcept {
    if (pending == 0) return 0;
    const int number = __builtin_ctzll(pending) + 1;
    pending &= pending - 1;
    return number;
  }

  std::shared_ptr<hub_signals> source;
  std::uint64_t pending = 0;
  waiting_list waiters;
};

// Kept by its hub while it is active.
struct signal_call : signal_listener, std::enable_shared_from_this<signal_call> {
  signal_call(std::shared_ptr<hub_signals> s, std::function<void(int)> f) noexcept : source(std::move(s)), fn(std::move(f)) {
    arrived = [](signal_listener& l, int number) noexcept {
      auto& self = static_cast<signal_call&>(l);
      try {
        spawn({.name = "on_signal"}, [me = self.shared_from_this(), number] { me->fn(number); });
      } catch (...) {
        core::report_failure(&self.source->home->main, std::current_exception());
      }
    };
  }
  ~signal_call() {
    if (linked()) source->unlisten(*this, 0);
  }

  std::shared_ptr<hub_signals> source;
  std::function<void(int)> fn;
};

signal_handle call_on_signal(int signal, std::function<void(int)> fn) {
  const auto& source = hub_signals::of(current_hub());
  auto call = std::make_shared<signal_call>(source, std::move(fn));
  call->wanted = bits_of({signal});
  source->calls.push_back(call);
  try {
    source->listen(*call);
  } catch (...) {
    source->calls.pop_back();
    throw;
  }
  return signal_handle(std::move(call));
}

}  // namespace detail

signal_receiver::signal_receiver(std::initializer_list<int> signals) {
  const auto& source = detail::hub_signals::of(detail::current_hub());
  auto reception = std::make_unique<detail::signal_reception>(source);
  reception->wanted = detail::bits_of(signals);
  source->listen(*reception);
  reception_ = std::move(reception);
}

signal_receiver::~signal_receiver() { reception_->source->unlisten(*reception_, reception_->pending); }

int signal_receiver::take_now() {
  detail::hub& h = detail::on_home(reception_->source->home, "signal_receiver");
  detail::check_cancelled(h);
  if (reception_->source->ended) throw hub_closed();
  return reception_->take();
}

detail::wait_list& signal_receiver::line() noexcept { return reception_->waiters; }

int signal_receiver::wait_to(detail::nanos deadline) {
  if (const int number = take_now()) return number;
  detail::signal_waiter w;
  line().push_back(w);
  detail::wait_on(detail::current_hub(), w, deadline);
  return w.number;
}

std::optional<int> signal_receiver::try_wait() {
  detail::on_home(reception_->source->home, "signal_receiver");
  const int number = reception_->take();
  return number != 0 ? std::optional(number) : std::nullopt;
}

bool signal_handle::cancel() {
  if (!active()) return false;
  detail::on_home(call_->source->home, "on_signal");
  call_->source->unlisten(*call_, 0);
  call_->source->calls.remove(call_);
  return true;
}

bool signal_handle::active() const noexcept { return call_ != nullptr && call_->linked(); }

}  // namespace weft
