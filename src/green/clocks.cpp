#include "green/clocks.hpp"

#include <ctime>

#include "green/own_credentials.hpp"
#include "green/signals.hpp"
#include "green/turns.hpp"
#include "sys/clock.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

constexpr std::uint64_t short_turn = 1 << 15;  // cycles, some 10 us
constexpr unsigned fraction_bits = 20;

bool shared_out = false;
std::uint64_t all_ticks = 0;
std::uint64_t last_cycles = 0, last_time = 0;  // at the last switch, and of the carrier's clock when it was last asked
std::uint64_t by_cycles = 0;                   // shared out since then
std::uint64_t ns_per_cycle = 0;                // in 2^-20

std::uint64_t carrier_time() noexcept {
  timespec t{};
  sys::raw(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * sys::ns_per_s + static_cast<std::uint64_t>(t.tv_nsec);
}

void share_out(const fiber_base* leaving, bool exactly) noexcept {
  const std::uint64_t now = sys::cycles(), turn = now - last_cycles;
  last_cycles = now;
  std::uint64_t ns;
  if (turn < short_turn && !exactly) {
    ns = turn * ns_per_cycle >> fraction_bits;
    by_cycles += ns;
  } else {
    const std::uint64_t time = carrier_time(), since = time - last_time;
    ns = since > by_cycles ? since - by_cycles : 0;
    last_time = time;
    by_cycles = 0;
  }
  if (thread* t = of(leaving)) t->cpu_ns += ns;
}

std::uint64_t measure() noexcept {
  constexpr std::uint64_t long_enough = 20'000;
  const std::uint64_t time = sys::monotonic_ns(), cycles = sys::cycles();
  std::uint64_t passed;
  do passed = sys::monotonic_ns() - time;
  while (passed < long_enough);
  const std::uint64_t turned = sys::cycles() - cycles;
  return turned == 0 ? 0 : (passed << fraction_bits) / turned;
}

void start(hub& h) noexcept {
  ns_per_cycle = measure();
  last_time = carrier_time();
  last_cycles = sys::cycles();
  by_cycles = 0;
  // What was before the first thread is the leader's, and so is what no tick tells.
  const std::uint64_t of_others = all_ticks * tick_ns - leader().cpu_ns;
  leader().cpu_ns = last_time > of_others ? last_time - of_others : 0;
  shared_out = true;
  hear_of_turns(h);
}

}  // namespace

void note_tick(const fiber_base* f, const siginfo_t* info) noexcept {
  const std::uint64_t n = 1 + static_cast<std::uint64_t>(info->si_overrun > 0 ? info->si_overrun : 0);
  all_ticks += n;
  if (thread* t = of(f); t != nullptr && !shared_out) t->cpu_ns += n * tick_ns;
}

std::uint64_t cpu_time(hub& h, thread& t) noexcept {
  if (!shared_out)
    start(h);
  else
    share_out(h.block->current, true);
  return t.cpu_ns;
}

bool clocks_run() noexcept { return shared_out; }

namespace {
bool clocks_or_credentials_heard() noexcept { return shared_out || credentials_differ(); }
}  // namespace

void hear_of_turns(hub& h) noexcept {
  core::on_turn_over = [](const fiber_base* leaving, const fiber_base* entering) noexcept {
    if (shared_out) share_out(leaving, false);
    if (credentials_differ()) put_on_credentials_of(entering);
    if (!kernel_mask_lent()) return;
    sync_kernel_mask(true);
    home->turns_heard = clocks_or_credentials_heard();
  };
  h.turns_heard = clocks_or_credentials_heard() || kernel_mask_lent();
}

void restart_clocks(thread& t) noexcept {
  all_ticks = t.cpu_ns = 0;
  if (!shared_out) return;
  last_time = carrier_time();
  last_cycles = sys::cycles();
  by_cycles = 0;
}

}  // namespace weft::green
