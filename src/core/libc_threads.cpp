// While a process has never had a second thread, glibc (SINGLE_THREAD_P, since 2.34 also in pthread_mutex_unlock) sets a mutex free
// without looking whether anybody waits. Its flag has a copy inside libc.so that no symbol reaches, and it never goes back: so a thread is
// made, which does nothing, once, in programs that use fibers and have their system calls rewritten.
#include "core/libc_threads.hpp"

#include <atomic>
#include <climits>
#include <csignal>
#include <mutex>
#include <pthread.h>

#include "core/hub_state.hpp"
#include "sys/report.hpp"

namespace weft::core {
namespace {

std::atomic<bool> expected{false};

void* nothing(void*) { return nullptr; }

void show_a_thread() {
  static std::once_flag once;
  std::call_once(once, [] {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // it inherits the mask: no handler runs there
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_t thread;
    shows_a_thread = true;
    int error = pthread_create(&thread, &attributes, nothing, nullptr);
    // Thread-local variables of the program lie on the stack, too, and may be too many for a small one.
    if (error != 0) error = pthread_create(&thread, nullptr, nothing, nullptr);
    shows_a_thread = false;
    if (error == 0) pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0)
      sys::report() << "no thread could be made (error " << error << "): fibers may miss each other's pthread_mutex_unlock.\n";
  });
}

}  // namespace

bool shows_a_thread = false;

void expect_futex_waits() {
  expected = true;
  bool any = false;
  for_each_hub([&](hub&) { any = true; });
  if (any) show_a_thread();
}

void hub_is_coming() {
  if (expected) show_a_thread();
}

}  // namespace weft::core
