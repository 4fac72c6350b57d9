// spawn({.own_thread = true}): the fiber's function runs as a green thread, which libc has made, with a thread control block, thread_local
// objects and mutex ownership of its own. The fiber itself waits for it, and hands cancellation on.
#include <cxxabi.h>
#include <pthread.h>
#include <system_error>

#include "core/hub_state.hpp"
#include "green/begin.hpp"
#include "green/mode.hpp"
#include "weft/detail/wait.hpp"

namespace weft::green {
namespace {

struct job {
  explicit job(fiber_base* f) noexcept : fiber(f) {}
  fiber_base* fiber;
  fiber_base* thread = nullptr;
  std::exception_ptr failure;
  detail::waiter* waits = nullptr;
  bool over = false;
};

void* run(void* argument) {
  job& j = *static_cast<job*>(argument);
  j.thread = detail::current_fiber();
  // pthread_exit ends the function early: whoever waits is told in any case.
  struct teller {
    job& j;
    ~teller() {
      core::drop_extra(j.thread);
      j.over = true;
      if (j.waits != nullptr) detail::unpark(*j.waits);
    }
  } tell{j};
  try {
    j.fiber->ops->invoke(j.fiber);
  } catch (const abi::__forced_unwind&) {
    j.failure = std::make_exception_ptr(std::system_error(ECANCELED, std::generic_category(), "weft: the fiber's thread has exited"));
    throw;
  } catch (...) {
    j.failure = std::current_exception();
  }
  return nullptr;
}

pthread_t start(job& j) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  // The control block and thread_local objects lie at the top of the same stack.
  constexpr std::size_t for_libc = 64 * 1024;
  pthread_attr_setstacksize(&attributes, (std::size_t{1} << j.fiber->stack_log2) + for_libc);
  pthread_t thread;
  own_wanted = true;
  const int error = pthread_create(&thread, &attributes, run, &j);
  own_wanted = false;
  pthread_attr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "weft: a thread for a fiber of its own");
  return thread;
}

// Until the function is over. What cancels the waiting fiber, or is thrown at it, is the thread's.
void wait_for(job& j) {
  detail::hub& h = *j.fiber->home;
  while (!j.over) {
    detail::waiter w("own thread");
    j.waits = &w;
    const detail::wake why = detail::park(h, w);
    j.waits = nullptr;
    if (j.over || why == detail::wake::ready) continue;
    if (why == detail::wake::deadlock) detail::throw_if_ended(h, why, w.reason);
    if (why == detail::wake::interrupted)
      core::hand_on_thrown(j.fiber, j.thread);
    else
      detail::fiber_cancel(j.thread);
    // From here on only the end ends the wait.
    detail::waiter last("own thread");
    last.uncancellable = true;
    j.waits = &last;
    if (!j.over) detail::park(h, last);
    j.waits = nullptr;
  }
}

void invoke(fiber_base* f) {
  if (!prepare_for_own()) {
    f->ops->discard(f);
    throw std::system_error(ENOTSUP, std::generic_category(), "weft: own_thread needs rewritten system call sites and FSGSBASE");
  }
  job j(f);
  pthread_t thread;
  try {
    thread = start(j);
  } catch (...) {
    f->ops->discard(f);
    throw;
  }
  wait_for(j);
  pthread_join(thread, nullptr);
  if (j.failure) std::rethrow_exception(j.failure);
}

[[gnu::constructor(102)]] void install() { core::invoke_on_own_thread = invoke; }

}  // namespace
}  // namespace weft::green
