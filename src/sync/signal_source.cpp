#include "sync/signal_source.hpp"

#include <cerrno>
#include <mutex>
#include <system_error>

#include "core/overflow.hpp"
#include "sys/own_handlers.hpp"
#include "sys/syscall.hpp"

namespace weft::detail {
namespace {

// One signal, for the whole process.
struct source {
  sys::atomic<signal_port*> ports;
  // Under `lock`:
  std::size_t listeners = 0;
  bool by_default = false;      // kept although nobody listens: SIGINT that cancels main
  struct sigaction previous {};
};
source sources[most_signals + 1];
std::mutex lock;

sys::atomic<std::uint32_t> handlers_running;

void tell(signal_port& p) noexcept {
  if (!p.pending.exchange(true)) core::hub_post(*p.owner->home, p);
}

void handler(int number) {
  handlers_running.add(1);
  bool told = false;
  for (signal_port* p = sources[number].ports.load_seq_cst(); p != nullptr; p = p->next_port.load_acquire())
    if (p->listeners.load_seq_cst() != 0) {
      tell(*p);
      told = true;
    }
  if (!told) {
    if (number == SIGINT)
      interrupt_arrived();
    else if (struct sigaction now; sigaction(number, nullptr, &now) == 0 && now.sa_handler != handler)
      // The last listener left between the kernel's choice of this handler and the look at the ports: it arrives again.
      sys::raw(SYS_tgkill, sys::raw(SYS_getpid), sys::raw(SYS_gettid), number);
  }
  handlers_running.sub(1);
}

// All signals are blocked in the handler: one that jumped out of a handler on top of it would leave handlers_running wrong.
bool install(int number, struct sigaction* previous) noexcept {
  sys::note_own_handler(reinterpret_cast<const void*>(handler));
  struct sigaction mine {};
  mine.sa_handler = handler;
  mine.sa_flags = SA_RESTART | SA_ONSTACK;
  sigfillset(&mine.sa_mask);
  return sigaction(number, &mine, previous) == 0;
}

bool ours(int number) noexcept {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == handler;
}

bool is_fault(int number) noexcept { return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL; }

// Under `lock`. errno when the kernel refuses.
int start(int number) noexcept {
  source& s = sources[number];
  // The program may have set a handler of its own over SIGINT's default: that one is what to come back to.
  if (s.listeners == 0 && !ours(number)) {
    struct sigaction found {};
    if (!install(number, &found)) return errno;
    s.previous = found;
    s.by_default = false;
  }
  ++s.listeners;
  return 0;
}

void stop(int number) noexcept {
  source& s = sources[number];
  if (--s.listeners == 0 && !s.by_default && ours(number)) sigaction(number, &s.previous, nullptr);
}

bool heard_elsewhere(int number) noexcept {
  const std::lock_guard guard(lock);
  return sources[number].listeners != 0;
}

void raise_again(int number) noexcept {
  if (heard_elsewhere(number)) return;
  struct sigaction now {};
  if (number == SIGINT && core::before_death != nullptr && sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL)
    core::before_death(number);
  sys::raw(SYS_kill, sys::raw(SYS_getpid), number);
}

// In the hub's own time.
void deliver(hub&, core::remote_node* n) noexcept {
  auto& p = *static_cast<signal_port*>(n);
  p.pending.store_seq_cst(false);
  hub_signals& s = *p.owner;
  if (p.listeners.load_relaxed() != 0) {
    if (p.number == SIGINT) interrupt_heard_by_listener();
    wait_node* next;
    for (wait_node* l = s.listeners.front(); l != nullptr; l = next) {
      next = s.listeners.after(l);
      auto& listener = *static_cast<signal_listener*>(l);
      if ((listener.wanted & signal_bit(p.number)) != 0) listener.arrived(listener, p.number);
    }
  } else if (!interrupt_main(p)) {
    raise_again(p.number);
  }
}

// A signal may wake the hub at any moment, so nothing is stuck and there is nothing to report. But it is not work under way
// either, for which a virtual clock would have to wait: it does not count in hub::external.
void expect_wakes(hub_signals& s, bool on) noexcept {
  if (on && s.count++ == 0) {
    s.was_reported = s.home->idle_reported;
    s.home->idle_reported = true;
  } else if (!on && --s.count == 0) {
    s.home->idle_reported = s.was_reported;
  }
}

}  // namespace

signal_port::signal_port(hub_signals& s, int n) noexcept : owner(&s), number(n) { run = deliver; }

const std::shared_ptr<hub_signals>& hub_signals::of(hub& h) {
  hub_state& state = hub_state::of(h);
  if (state.signals == nullptr) {
    auto s = std::make_shared<hub_signals>(h);
    state.at_end.push_back([s] { s->end(); });
    state.signals = std::move(s);
  }
  return state.signals;
}

signal_port& hub_signals::port(int number) {
  auto& p = ports[number];
  if (p == nullptr) {
    p = std::make_unique<signal_port>(*this, number);
    const std::lock_guard guard(lock);
    auto& first = sources[number].ports;
    p->next_port.store_relaxed(first.load_relaxed());
    first.store_seq_cst(p.get());
  }
  return *p;
}

void hub_signals::listen(signal_listener& l) {
  if (ended) throw hub_closed();
  for (int n = 1; n <= most_signals; ++n)
    if ((l.wanted & signal_bit(n)) != 0) {
      if (is_fault(n)) throw std::system_error(EINVAL, std::generic_category(), "weft: a fault's signal cannot be listened to");
      port(n);
    }
  const std::lock_guard guard(lock);
  for (int n = 1; n <= most_signals; ++n) {
    if ((l.wanted & signal_bit(n)) == 0) continue;
    // Told before the handler is there: what arrives from then on finds somebody.
    ports[n]->listeners.add(1);
    if (const int error = start(n)) {
      ports[n]->listeners.sub(1);
      while (--n > 0)
        if ((l.wanted & signal_bit(n)) != 0) {
          stop(n);
          ports[n]->listeners.sub(1);
        }
      throw std::system_error(error, std::generic_category(), "weft: listening to a signal");
    }
  }
  listeners.push_back(l);
  expect_wakes(*this, true);
}

void hub_signals::unlisten(signal_listener& l, std::uint64_t unheard) noexcept {
  if (!l.linked()) return;
  l.unlink();
  expect_wakes(*this, false);
  {
    const std::lock_guard guard(lock);
    for (int n = 1; n <= most_signals; ++n)
      if ((l.wanted & signal_bit(n)) != 0) {
        stop(n);
        ports[n]->listeners.sub(1);
      }
  }
  for (int n = 1; n <= most_signals; ++n)
    if ((unheard & signal_bit(n)) != 0) raise_again(n);
}

void hub_signals::end() noexcept {
  ended = true;
  interrupt_end(*this);
  calls.clear();
  while (wait_node* n = listeners.front()) unlisten(*static_cast<signal_listener*>(n), 0);
  {
    const std::lock_guard guard(lock);
    for (auto& p : ports) {
      if (p == nullptr) continue;
      sys::atomic<signal_port*>* at = &sources[p->number].ports;
      while (at->load_relaxed() != p.get()) at = &at->load_relaxed()->next_port;
      at->store_seq_cst(p->next_port.load_relaxed());
    }
  }
  // A handler on another thread may still hold a port of this hub. Bounded: in the child of a fork the count may be another
  // thread's that is not there.
  for (int i = 0; i < 10'000 && handlers_running.load_seq_cst() != 0; ++i) sys::raw(SYS_sched_yield);
}

void die_of(int number) noexcept {
  if (core::before_death != nullptr) core::before_death(number);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  sigaction(number, &usual, nullptr);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, number);
  sys::raw(SYS_tgkill, sys::raw(SYS_getpid), sys::raw(SYS_gettid), number);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
}

bool take_default_signal(signal_port& p) noexcept {
  const std::lock_guard guard(lock);
  source& s = sources[p.number];
  struct sigaction now {};
  if (s.listeners != 0 || sigaction(p.number, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL)
    return false;
  s.previous = now;
  s.by_default = install(p.number, nullptr);
  return s.by_default;
}

void give_back_default_signal(int number) noexcept {
  const std::lock_guard guard(lock);
  source& s = sources[number];
  if (!s.by_default) return;
  s.by_default = false;
  if (s.listeners == 0 && ours(number)) sigaction(number, &s.previous, nullptr);
}

}  // namespace weft::detail
