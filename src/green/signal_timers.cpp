// Timers whose signal goes to one thread (SIGEV_THREAD_ID; timer_create's SIGEV_THREAD is made of it): the kernel sends to the carrier, by
// signal 33, which nothing of the program's blocks or handles there; the timer's id tells the thread and the signal.
#include <cerrno>
#include <csignal>

#include "core/hub.hpp"
#include "green/clocks.hpp"
#include "green/signals.hpp"
#include "io/door.hpp"
#include "io/user_memory.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct timer {
  timer* next;
  int id;
  int number;
  std::uint32_t tid;
};

constexpr unsigned buckets = 64;
timer* timers[buckets];
timer* unused = nullptr;

timer*& bucket(int id) noexcept { return timers[static_cast<unsigned>(id) % buckets]; }

timer* take_entry() noexcept {
  if (unused == nullptr) {
    auto* page = static_cast<timer*>(sys::map(sys::page_size));
    if (page == nullptr) return nullptr;
    for (std::size_t i = 0; i < sys::page_size / sizeof(timer); ++i) {
      page[i].next = unused;
      unused = &page[i];
    }
  }
  timer* t = unused;
  unused = t->next;
  return t;
}

void remove(int id) noexcept {
  for (timer** at = &bucket(id); *at != nullptr; at = &(*at)->next) {
    if ((*at)->id != id) continue;
    timer* t = *at;
    *at = t->next;
    t->next = unused;
    unused = t;
    return;
  }
}

// struct sigevent as the kernel reads it.
struct kernel_event {
  std::uint64_t value;
  int number, notify, tid;
  int unused[11];
};
static_assert(sizeof(kernel_event) == 64);

door_answer on_timer_create(door_frame* f, long nr) noexcept {
  kernel_event event;
  const auto wanted_event = reinterpret_cast<const void*>(f->rsi);
  if (signal_caller() == nullptr || wanted_event == nullptr || !io::copy_in(&event, wanted_event, sizeof event)) return create_timer(f, nr);
  if (event.notify != SIGEV_THREAD_ID || find(static_cast<std::uint32_t>(event.tid)) == nullptr) return create_timer(f, nr);
  if (event.number < 1 || event.number > io::most_signals) return answer(-EINVAL);
  timer* t = take_entry();
  if (t == nullptr) return answer(-EAGAIN);
  t->number = event.number;
  t->tid = static_cast<std::uint32_t>(event.tid);
  event.number = tick_signal;
  event.tid = static_cast<int>(home->thread);
  int id = 0;
  door_frame mapped = *f;
  mapped.rsi = reinterpret_cast<long>(&event);
  mapped.rdx = reinterpret_cast<long>(&id);
  const door_answer a = create_timer(&mapped, nr);
  long made = a.pass == 0 ? a.result : sys::raw(nr, mapped.rdi, mapped.rsi, mapped.rdx);
  std::uint64_t there = 0;  // the id is four bytes; what stands behind it stays
  if (made == 0 && io::copy_in(&there, reinterpret_cast<const void*>(f->rdx & ~7L), sizeof there)) {
    const int shift = (f->rdx & 4) != 0 ? 32 : 0;
    there = (there & ~(std::uint64_t{0xffffffff} << shift)) | static_cast<std::uint64_t>(static_cast<std::uint32_t>(id)) << shift;
    if (!io::copy_out(reinterpret_cast<void*>(f->rdx & ~7L), &there, sizeof there)) made = -EFAULT;
  } else if (made == 0) {
    made = -EFAULT;
  }
  if (made != 0) {
    if (made == -EFAULT) sys::raw(SYS_timer_delete, id);
    t->next = unused;
    unused = t;
    return answer(made);
  }
  t->id = id;
  t->next = bucket(id);
  bucket(id) = t;
  return answer(0);
}

door_answer on_timer_delete(door_frame* f, long nr) noexcept {
  if (signal_caller() != nullptr) remove(static_cast<int>(f->rdi));
  return below(f, nr);
}

constexpr green_entry rows[] = {
    {SYS_timer_create, on_timer_create},
    {SYS_timer_delete, on_timer_delete},
};

}  // namespace

std::uint32_t timer_target(siginfo_t& info) noexcept {
  for (const timer* t = bucket(info.si_timerid); t != nullptr; t = t->next)
    if (t->id == info.si_timerid) {
      info.si_signo = t->number;
      return t->tid;
    }
  return 0;
}

void forget_timers() noexcept {
  for (timer*& first : timers)
    while (first != nullptr) remove(first->id);
}

green_rows timer_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
