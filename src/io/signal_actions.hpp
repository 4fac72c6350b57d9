// What the program has set up for each signal, while the kernel knows only Weft's entry: the other side of rt_sigaction(2).
#pragma once

#include <csignal>
#include <cstdint>

namespace weft::io {

// struct sigaction as the kernel has it.
struct signal_action {
  void* handler;
  std::uint64_t flags;
  void* restorer;
  std::uint64_t mask;
};

inline constexpr int most_signals = 64;
inline constexpr std::uint64_t signal_bit(int number) noexcept { return std::uint64_t{1} << (number - 1); }

// rt_sigaction(2) for a program: 0 or -errno.
long set_action(int number, const void* action, void* previous) noexcept;

// Whether set_action is for this number: not for signals of faults, libc's own, and those that cannot be handled.
bool convertible(long number) noexcept;

// Puts Weft's entry in front of the handlers that the program has installed already.
void adopt_actions() noexcept;

// From now on green threads have masks and pending signals of their own (src/green/signals.hpp). The entry stands in front of every
// handler, and of the default action of signals that one thread's call brings upon it, or a fault; the kernel blocks nothing while it runs.
// `restorer`: the return stub of handlers that have none. `tick`: a signal that is Weft's own in the kernel. `also`: signals whose
// default action the entry is to see as well. `on_carriers_stack`: it is called on the carrier's signal stack for all signals, not for
// faults only.
void actions_for_threads(const void* restorer, int tick, std::uint64_t also, bool on_carriers_stack) noexcept;

// Where libweft.so's own code lies. A handler that interrupted it outside of any call makes its calls in the kernel, for nothing can
// park there; it must not leave by siglongjmp. Never set where Weft is linked into the program: its code is then the program's.
void note_own_text(const void* begin, const void* end) noexcept;
bool is_own_text(std::uint64_t address) noexcept;

// The program's action, for the entry. Callable in a signal handler. Where there are no green threads it is known of handlers only.
signal_action action_of(int number) noexcept;
// SA_RESETHAND: the default again.
void reset_action(int number) noexcept;

// What the kernel calls (signal_entry.cpp).
extern "C" void weft_signal_entry(int number, siginfo_t* info, void* context);

}  // namespace weft::io
