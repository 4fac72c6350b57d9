// Signals of green threads: what the kernel keeps for each thread, kept here, for the kernel sees one thread only, the carrier.
//
// Masks are virtual. The carrier blocks what every living green thread blocks, so that a signal to the process that nobody lets in stays
// pending in the kernel, where sigpending, signalfd and sigtimedwait find it. Signals to one thread (pthread_kill, raise, abort,
// pthread_cancel, timers of one thread) never reach the kernel, but for what a default action does to the process.
//
// Handlers of the program's run in frames that the kernel built (signal_frame.cpp), with nothing blocked in the kernel for their sake: they
// may park, be preempted, siglongjmp away, or end the thread. There are three such frames: the signal's own, when it interrupts
// program code; the tick's, for a thread that was preempted; and one that the site's entry asks for when a call comes back with signals
// due (patch/entry.S, `weft_patch_entry_interrupted`), which is shown to the handler as a frame at the site itself. A frame is moved
// onto the thread's alternate stack where the handler wants it, and off the carrier's own one after a fault.
//
// What arrives while Weft's own code runs changes nothing of Weft's: it is noted (`note_arrival`), the hub is woken, and the note is read
// when Weft's structures are at rest.
// Freestanding. Only the carrier comes here, but for what signals to other OS threads do (`handle_elsewhere`).
#pragma once

#include <csignal>
#include <cstdint>
#include <ucontext.h>

#include "green/caller.hpp"
#include "green/rows.hpp"
#include "green/thread.hpp"
#include "io/signals.hpp"

namespace weft::green {

using io::signal_action;
using io::signal_bit;

// libc's own two, and what nobody may block.
inline constexpr int cancel_signal = 32, setxid_signal = 33, tick_signal = 33;
inline constexpr std::uint64_t never_blocked = signal_bit(SIGKILL) | signal_bit(SIGSTOP);
// The kernel's size of a signal set.
inline constexpr std::size_t set_bytes = 8;
inline constexpr std::uint32_t autodisarm = 1u << 31;  // SS_AUTODISARM

// Set by start_signals where the program's threads are green (a fiber with a thread of its own in another program has its OS thread's
// signals).
inline bool are_virtual = false;

// The running green thread, null where the call is the kernel's.
inline thread* signal_caller() noexcept { return are_virtual ? caller() : nullptr; }

// ---- signal_masks.cpp
// A living thread's mask becomes `mask`. What that lets in is due; what was meant for this thread and may now go to another one does.
void set_mask(thread& t, std::uint64_t mask) noexcept;
// What the carrier must block in the kernel.
std::uint64_t kernel_mask() noexcept;
// Tells the kernel, if it is not what the kernel has, or not known to be.
void sync_kernel_mask(bool surely = false) noexcept;
// The same, where a frame's return is about to give it to the kernel.
std::uint64_t returned_kernel_mask() noexcept;
void count_mask(std::uint64_t mask) noexcept;
void uncount_mask(std::uint64_t mask) noexcept;
void recount_masks() noexcept;  // in a forked child
// Before the running thread makes a child that borrows this memory: it begins with the thread's mask. The carrier has its own back when it
// turns to another fiber, the tick comes, or a call changes a mask.
void lend_kernel_mask() noexcept;
bool kernel_mask_lent() noexcept;

// ---- signal_queue.cpp
// Adds a signal to a thread's pending ones. 0, or -EAGAIN (a queued one, and no room).
long add_pending(thread& t, int number, const siginfo_t& info, bool shared) noexcept;
// The next pending signal among `set`: lowest number first. False: none. `shared`: it was sent to the process.
bool take_pending(thread& t, std::uint64_t set, siginfo_t& info, bool& shared) noexcept;
void drop_pending(thread& t) noexcept;
// Forgets what is pending of the set; for all threads.
void discard_pending(std::uint64_t set) noexcept;
void free_pending(pending_signal* p) noexcept;  // one that was taken out of its list
// Standard signals queue once, without regard to what comes with the second.
inline constexpr int first_queued_signal = 32;

// ---- signal_route.cpp
// Pending and let in.
inline std::uint64_t deliverable(const thread& t) noexcept { return t.signals.pending & ~t.signals.mask; }
// The thread has something to do: a call of its that waits ends.
void notify(thread& t) noexcept;
// To one thread, whoever sends. 0 or -errno.
long send_to(thread& t, int number, const siginfo_t& info) noexcept;
// To the process: somebody who lets it in, or back to the kernel.
void send_to_any(int number, const siginfo_t& info) noexcept;
// What came to the carrier, to whom it may concern: whose timer or file it tells of, the thread `to`, or for 0 the process.
void send_on(siginfo_t& info, std::uint32_t to) noexcept;
// Reads what was noted while Weft ran. For Weft's code at rest.
void read_arrivals() noexcept;
void drop_arrivals() noexcept;
// In a forked child: whether this tells the hub of notes, which are the parent's.
bool is_bell(core::remote_node* n) noexcept;
// Notes a signal from inside an interruption of Weft's own code. `to`: thread id it is for, 0 for the process.
void note_arrival(int number, const siginfo_t& info, std::uint32_t to) noexcept;
// Hands back to the process what was recorded for a thread that is over or blocks it now.
void hand_on(thread& t, std::uint64_t set) noexcept;

// ---- signal_default.cpp
enum class usual : std::uint8_t { ends, ignored, stops };
usual usual_action(int number) noexcept;
// Whether a signal does nothing to the process.
bool is_ignored(const signal_action& a, int number) noexcept;
// Those that end a process without a handler, but for libc's own two and what cannot be handled.
std::uint64_t ending_signals() noexcept;
// Carries out the default action for the process, by sending it the real signal. Returns after a stop.
void carry_out(int number, const siginfo_t& info) noexcept;
// From now on the signal has its default action in the kernel, which ends the process.
void end_by_default(int number) noexcept;
// For a fault at the interrupted instruction: when the frame is left it happens again, and ends the process.
void let_fault_happen(int number, const siginfo_t* info, ucontext_t* u) noexcept;

// ---- signal_frame.cpp
// The interrupted code is the program's, or waits at a site's entry for its handlers: they can run on top of it.
bool may_run_handlers(const ucontext_t* u) noexcept;
// Runs what is due for the running thread, in the kernel's frame that `u` belongs to. The frame's mask is right afterwards.
void run_handlers(thread& t, ucontext_t* u) noexcept;
// io::of_threads.came.
bool signal_came(int number, siginfo_t* info, void* context);
// Signal 33, when it is not the tick. False: it is.
bool own_signal(siginfo_t* info, ucontext_t* u) noexcept;
// The tick's frame lies where it may stay while others run. Else goes on with `after_tick` in a copy of it that does, and comes back, with
// false, only where there is no room for one.
bool move_tick(thread& t, ucontext_t* u) noexcept;
void find_first_stack() noexcept;  // before the first such frame
void after_tick(ucontext_t* u) noexcept;  // tick.cpp
// Whether the running thread's handlers are to run before its call comes back to the program.
bool handlers_due(thread& t) noexcept;

// ---- signal_waits.cpp, signal_rows.cpp, signal_timers.cpp
// One of the program's timers has come, by signal 33: sends on what it stands for. For Weft's code at rest.
void timer_came(siginfo_t& info) noexcept;
inline bool is_timers(const siginfo_t& info) noexcept { return info.si_signo == tick_signal && info.si_code == SI_TIMER; }
void forget_timers() noexcept;

// What the program's signalfds are for.
inline std::uint64_t sets_of_signalfds = 0;

// ---- signals.cpp
// A thread has an alternate stack: from now on the kernel calls Weft's handlers on the carrier's, as the thread's stack pointer may be
// where no frame may lie.
void expect_alternate_stacks() noexcept;
inline bool have_alternate_stacks = false;
void take_own_signal_actions() noexcept;
// The process is about to execute another program, in the place of the running thread: the mask and what is pending are the kernel's again.
void signals_before_exec(thread& t) noexcept;
void signals_after_exec(thread& t) noexcept;  // it failed
// In a forked child, on the thread that forked, which is the only one.
void signals_in_child(thread& t) noexcept;

}  // namespace weft::green
