// weft::hub: posting from other threads, figures, and what happens to failures nobody saw.
#include "weft/hub.hpp"

#include <cxxabi.h>
#include <memory>
#include <typeinfo>

#include "core/backtrace.hpp"
#include "core/hub_state.hpp"
#include "sys/report.hpp"
#include "weft/fiber.hpp"

namespace weft::core {
namespace {

std::mutex handler_lock;
std::function<void(const unobserved_failure&)> handler;

struct posted : remote_node {
  std::function<void()> fn;
};

// On the hub: the function gets a fiber of its own.
void start_posted(hub& h, remote_node* n) noexcept {
  std::unique_ptr<posted> mine(static_cast<posted*>(n));
  try {
    spawn({.name = "post"}, std::move(mine->fn));
  } catch (...) {
    report_failure(&h.main, std::current_exception());
  }
}

}  // namespace

bool post_node(detail::hub_state& state, remote_node& n) {
  const std::lock_guard guard(state.lock);
  if (state.home == nullptr) return false;
  hub_post(*state.home, n);
  return true;
}

bool post_function(detail::hub_state& state, std::function<void()> fn) {
  auto node = std::make_unique<posted>();
  node->run = start_posted;
  node->fn = std::move(fn);
  if (!post_node(state, *node)) return false;
  (void)node.release();
  return true;
}

bool is_cancelled(const std::exception_ptr& e) noexcept {
  if (e == nullptr) return false;
  try {
    std::rethrow_exception(e);
  } catch (const cancelled&) {
    return true;
  } catch (...) {
    return false;
  }
}

std::string describe(const std::exception_ptr& e) {
  const auto demangled = [](const std::type_info& t) {
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(t.name(), nullptr, nullptr, &status), std::free);
    return std::string(status == 0 ? name.get() : t.name());
  };
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return demangled(typeid(x)) + ": " + x.what();
  } catch (...) {
    const std::type_info* t = abi::__cxa_current_exception_type();
    return t != nullptr ? demangled(*t) : "an exception of unknown type";
  }
}

void report_failure(fiber_base* f, const std::exception_ptr& failure) noexcept {
  try {
    const char* name = f->extra != nullptr && f->extra->name != nullptr ? f->extra->name : "";
    if (f->is_main) name = "main";
    const std::string text = describe(failure);
    std::function<void(const unobserved_failure&)> call;
    {
      const std::lock_guard guard(handler_lock);
      call = handler;
    }
    if (call)
      call({name, failure, text});
    else
      sys::report() << "fiber " << (*name != 0 ? name : "(unnamed)") << " ended by an exception that nobody asked about: "
                    << text.c_str() << "\n"
                    << (f->site != nullptr ? "    spawned at " + symbol(f->site) + "\n" : std::string()).c_str();
  } catch (...) {
    sys::report() << "a fiber failed, and so did reporting it.\n";
  }
}

}  // namespace weft::core

namespace weft {

hub::hub(detail::hub_state* s) noexcept : state_(s) { state_->retain(); }

hub::hub(const hub& other) noexcept : hub(other.state_) {}

hub& hub::operator=(const hub& other) noexcept {
  other.state_->retain();
  state_->release();
  state_ = other.state_;
  return *this;
}

hub::~hub() { state_->release(); }

hub hub::current() { return hub(&detail::hub_state::of(detail::current_hub())); }

void hub::post(std::function<void()> fn) const {
  if (!core::post_function(*state_, std::move(fn))) throw hub_closed();
}

hub_stats hub::stats() const {
  detail::hub* h = detail::try_hub();
  if (h == nullptr || h->face != state_) throw wrong_hub("the hub's statistics");
  const core::counters& c = h->stats;
  return {c.fibers_created, c.parks + c.other_switches, c.parks, c.polls, c.blocked_polls, c.io_events, c.timers_fired, c.remote_wakes,
          h->live, h->timers.size(), h->stacks.in_use(), h->stacks.most_in_use(), h->poll->name()};
}

void on_error(std::function<void(const unobserved_failure&)> new_handler) {
  const std::lock_guard guard(core::handler_lock);
  core::handler = std::move(new_handler);
}

}  // namespace weft
