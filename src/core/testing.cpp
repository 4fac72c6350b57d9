// The virtual clock and the shuffling scheduler: switches of the hub that only tests throw.
#include "weft/testing.hpp"

#include "core/hub.hpp"
#include "weft/detail/wait.hpp"

namespace weft::testing {

virtual_clock::virtual_clock() {
  detail::hub& h = detail::current_hub();
  started_ = h.virtual_now = detail::now(h);
  h.virtual_time = true;
}

virtual_clock::~virtual_clock() {
  if (detail::hub* h = detail::try_hub()) h->virtual_time = false;
}

std::chrono::nanoseconds virtual_clock::elapsed() const {
  return std::chrono::nanoseconds(detail::now(detail::current_hub()) - started_);
}

void virtual_clock::advance(std::chrono::nanoseconds d) { detail::current_hub().virtual_now += static_cast<detail::nanos>(d.count()); }

void wait_all_blocked() {
  detail::hub& h = detail::current_hub();
  detail::waiter w("wait_all_blocked");
  h.quiet.push_back(w);
  detail::wait_on(h, w);
}

void shuffle(std::uint64_t seed) {
  // Small seeds differ in few bits: spread them, and never 0, which means off.
  detail::current_hub().shuffle = seed == 0 ? 0 : (seed * 0x9E3779B97F4A7C15u | 1);
}

}  // namespace weft::testing
