/* What several groups of scenes say about signals. */
#ifndef WEFT_TESTS_GREEN_SIGNALS_H
#define WEFT_TESTS_GREEN_SIGNALS_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "green.h"

/* How often a handler that `handle` set has run, and on which thread it ran last. */
static atomic_int handled;
static volatile pid_t handled_by;

static inline void count(int sig) {
  (void)sig;
  handled_by = (pid_t)syscall(SYS_gettid);
  atomic_fetch_add(&handled, 1);
}

static inline void handle(int sig, int flags) {
  struct sigaction action = {.sa_handler = count, .sa_flags = flags};
  MUST(sigaction(sig, &action, NULL));
}

static inline sigset_t only(int sig) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, sig);
  return set;
}

static inline void block(int sig) {
  const sigset_t set = only(sig);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
}

#endif
