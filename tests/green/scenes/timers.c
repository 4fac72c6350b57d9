/* What makes threads of its own or calls back: POSIX timers, message queues, aio, the resolver's threads. */
#include <aio.h>
#include <mqueue.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/timerfd.h>

#include "../green.h"

#define GROUP "timers"

static atomic_int ticks;
static sem_t ticked;

static void tick(union sigval v) {
  if (atomic_fetch_add(&ticks, v.sival_int) < 5) sem_post(&ticked);
}

static const struct itimerspec often = {{0, 2 * MS}, {0, 2 * MS}}, once_soon = {{0, 0}, {0, 2 * MS}};

PLAY(sigev_thread) {
  timer_t timer;
  struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick, .sigev_value.sival_int = 1};
  MUST(sem_init(&ticked, 0, 0));
  DO(timer_create(CLOCK_MONOTONIC, &e, &timer));
  DO(timer_settime(timer, 0, &often, NULL));
  for (int i = 0; i < 5; ++i) MUST(sem_wait(&ticked));
  DO(timer_delete(timer));
  say("ticked");
}

PLAY(sigev_thread_several) {
  timer_t timer[4];
  MUST(sem_init(&ticked, 0, 0));
  for (int i = 0; i < 4; ++i) {
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick, .sigev_value.sival_int = 1};
    MUST(timer_create(i % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &e, &timer[i]));
    MUST(timer_settime(timer[i], 0, &once_soon, NULL));
  }
  for (int i = 0; i < 4; ++i) MUST(sem_wait(&ticked));
  for (int i = 0; i < 4; ++i) MUST(timer_delete(timer[i]));
  say("%d", atomic_load(&ticks));
}

static atomic_int handled;
static volatile pid_t handled_by;
static volatile int value;

static void on_timer(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  handled_by = (pid_t)syscall(SYS_gettid);
  value = info->si_code == SI_TIMER ? info->si_value.sival_int : -1;
  atomic_fetch_add(&handled, 1);
}

static void *have_a_timer(void *arg) {
  timer_t timer;
  struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
  e._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  DO(timer_create(CLOCK_MONOTONIC, &e, &timer));
  MUST(timer_settime(timer, 0, &often, NULL));
  const int before = atomic_load(&handled);
  while (atomic_load(&handled) < before + 3) usleep(10000);
  MUST(timer_delete(timer));
  say("by itself: %d, value %d", handled_by == (pid_t)syscall(SYS_gettid), value);
  return arg;
}

PLAY(sigev_thread_id) {
  struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
  MUST(sigaction(SIGUSR1, &action, NULL));
  have_a_timer(NULL);
  finish(start(have_a_timer, NULL));
}

PLAY(sigev_signal) {
  have_company();
  timer_t timer;
  struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
  MUST(sigaction(SIGRTMIN, &action, NULL));
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 7};
  MUST(timer_create(CLOCK_MONOTONIC, &e, &timer));
  MUST(timer_settime(timer, 0, &often, NULL));
  while (atomic_load(&handled) < 3) usleep(1000);
  struct itimerspec left;
  DO(timer_gettime(timer, &left));
  say("%ld, value %d", left.it_interval.tv_nsec / MS, value);
  MUST(timer_delete(timer));
  DO(timer_gettime((timer_t)0x7777, &left));
}

/* The thread's own processor time runs it. */
static void *cpu_timer(void *arg) {
  timer_t timer;
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 9};
  DO(timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &timer));
  MUST(timer_settime(timer, 0, &once_soon, NULL));
  while (atomic_load(&handled) == 0) __asm__ volatile("");
  say("value %d", value);
  MUST(timer_delete(timer));
  return arg;
}

PLAY(a_timer_of_processor_time) {
  struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
  MUST(sigaction(SIGUSR1, &action, NULL));
  finish(start(cpu_timer, NULL));
}

static void *read_timerfd(void *arg) {
  uint64_t n = 0, sum = 0;
  while (sum < 5) {
    MUST(read((int)(long)arg, &n, sizeof n));
    sum += n;
  }
  return NULL;
}

/* -- on one thread's clock */

static int pair[2];
static clockid_t counted_clock;
static atomic_int times_come, times_early, sent_as_it_should, time_to_stop;
static timer_t counting;
static long wanted_ns;

static long ns_on(clockid_t clock) {
  struct timespec t;
  MUST(clock_gettime(clock, &t));
  return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void time_has_come(int sig, siginfo_t *info, void *context) {
  (void)context;
  if (ns_on(counted_clock) < wanted_ns) atomic_fetch_add(&times_early, 1);
  if (sig == SIGALRM || info->si_value.sival_int == 77) atomic_fetch_add(&sent_as_it_should, info->si_code == SI_TIMER);
  atomic_fetch_add(&times_come, 1);
}

static void *compute_until_told(void *arg) {
  tell(pair[1]);
  while (!atomic_load(&time_to_stop)) compute(1);
  return arg;
}

static void handle_times(int sig) {
  struct sigaction act = {.sa_sigaction = time_has_come, .sa_flags = SA_SIGINFO | SA_RESTART};
  MUST(sigaction(sig, &act, NULL));
  atomic_store(&times_come, 0);
  atomic_store(&times_early, 0);
  atomic_store(&sent_as_it_should, 0);
}

static void await_times(int n) {
  while (atomic_load(&times_come) < n) usleep(2000);
  say("never early: %d, as it should be: %d", atomic_load(&times_early) == 0, atomic_load(&sent_as_it_should) >= n);
}

PLAY(a_timer_of_another_threads_time) {
  unix_pair(SOCK_STREAM, pair);
  handle_times(SIGRTMIN + 1);
  pthread_t counted = start(compute_until_told, NULL), others[3];
  for (int i = 0; i < 3; ++i) others[i] = start(compute_until_told, NULL);
  for (int i = 0; i < 4; ++i) hear(pair[0]);
  OK(pthread_getcpuclockid(counted, &counted_clock));
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value = {.sival_int = 77}};
  DO(timer_create(counted_clock, &e, &counting));
  wanted_ns = ns_on(counted_clock) + 12 * MS;
  struct itimerspec when = {{0, 0}, {wanted_ns / (1000 * MS), wanted_ns % (1000 * MS)}}, left;
  DO(timer_settime(counting, TIMER_ABSTIME, &when, NULL));
  await_times(1);
  DO(timer_gettime(counting, &left));
  say("over: %d", left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
  atomic_store(&times_come, 0);
  wanted_ns = ns_on(counted_clock) + 5 * MS;
  when = (struct itimerspec){{0, 5 * MS}, {0, 5 * MS}};
  DO(timer_settime(counting, 0, &when, NULL));
  MUST(timer_gettime(counting, &left));
  say("interval %ld, left at most that: %d", left.it_interval.tv_nsec, left.it_value.tv_sec == 0 && left.it_value.tv_nsec <= 5 * MS);
  await_times(3);
  when = (struct itimerspec){{0, 0}, {0, 0}};
  DO(timer_settime(counting, 0, &when, &left));
  say("interval %ld", left.it_interval.tv_nsec);
  when.it_value.tv_nsec = 1000 * MS;
  DO(timer_settime(counting, 0, &when, NULL));
  DO(timer_settime(counting, 0, (void *)8, NULL));
  atomic_store(&time_to_stop, 1);
  finish(counted);
  for (int i = 0; i < 3; ++i) finish(others[i]);
  DO(timer_delete(counting));
  DO(timer_delete(counting));
}

static void *time_itself(void *arg) {
  counted_clock = CLOCK_THREAD_CPUTIME_ID;
  DO(timer_create(CLOCK_THREAD_CPUTIME_ID, NULL, &counting));
  wanted_ns = ns_on(CLOCK_THREAD_CPUTIME_ID) + 8 * MS;
  struct itimerspec when = {{0, 0}, {0, 8 * MS}};
  DO(timer_settime(counting, 0, &when, NULL));
  while (atomic_load(&times_come) == 0) compute(1);
  timer_t quiet;
  struct sigevent none = {.sigev_notify = SIGEV_NONE};
  DO(timer_create(CLOCK_THREAD_CPUTIME_ID, &none, &quiet));
  DO(timer_settime(quiet, 0, &when, NULL));
  compute(20);
  for (struct itimerspec left = when; left.it_value.tv_nsec != 0;) MUST(timer_gettime(quiet, &left));
  DO(timer_delete(quiet));
  return arg;
}

PLAY(a_timer_of_ones_own_time) {
  unix_pair(SOCK_STREAM, pair);
  handle_times(SIGALRM);
  /* The handler runs where the signal goes: main would not let it in. */
  pthread_t other = start(compute_until_told, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  hear(pair[0]);
  pthread_t timed = start(time_itself, NULL);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  finish(timed);
  say("came: %d, as it should be: %d", atomic_load(&times_come), atomic_load(&sent_as_it_should));
  atomic_store(&time_to_stop, 1);
  finish(other);
}

PLAY(timerfds_in_threads) {
  pthread_t all[3];
  for (int i = 0; i < 3; ++i) {
    const int fd = (int)MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    MUST(timerfd_settime(fd, 0, &often, NULL));
    all[i] = start(read_timerfd, (void *)(long)fd);
  }
  for (int i = 0; i < 3; ++i) finish(all[i]);
  say("over");
}

/* -- message queues */

static mqd_t queue;
static char queue_name[40];

static void open_queue(void) {
  struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 32};
  snprintf(queue_name, sizeof queue_name, "/weft-scene-%d", getpid());
  queue = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
  MUST(queue);
  MUST(mq_unlink(queue_name));
}

static void *send_messages(void *arg) {
  char text[32];
  for (int i = 0; i < 20; ++i) {
    snprintf(text, sizeof text, "message %d", i);
    MUST(mq_send(queue, text, strlen(text) + 1, 0));
  }
  return arg;
}

PLAY(message_queues_between_threads) {
  open_queue();
  pthread_t t = start(send_messages, NULL);
  char text[32];
  for (int i = 0; i < 20; ++i) {
    MUST(mq_receive(queue, text, sizeof text, NULL));
    if (i % 5 == 0) say("%s", text);
  }
  finish(t);
  struct timespec at = from_now(CLOCK_REALTIME, 2 * MS);
  DO(mq_timedreceive(queue, text, sizeof text, NULL, &at));
}

PLAY(mq_notify_by_a_thread) {
  open_queue();
  MUST(sem_init(&ticked, 0, 0));
  struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick, .sigev_value.sival_int = 1};
  DO(mq_notify(queue, &e));
  MUST(mq_send(queue, "x", 1, 0));
  MUST(sem_wait(&ticked));
  char text[32];
  DO(mq_receive(queue, text, sizeof text, NULL));
}

/* -- aio: libc makes threads for it */

PLAY(posix_aio) {
  const int fd = disk_file(4096);
  char data[8][512];
  struct aiocb all[8];
  memset(all, 0, sizeof all);
  for (int i = 0; i < 8; ++i) {
    memset(data[i], 'a' + i, 512);
    all[i].aio_fildes = fd;
    all[i].aio_buf = data[i];
    all[i].aio_nbytes = 512;
    all[i].aio_offset = i * 512;
    MUST(aio_write(&all[i]));
  }
  for (int i = 0; i < 8; ++i) {
    const struct aiocb *one[] = {&all[i]};
    while (aio_error(&all[i]) == EINPROGRESS) MUST(aio_suspend(one, 1, NULL));
    say("%d %zd", aio_error(&all[i]), aio_return(&all[i]));
  }
  char back[4096];
  MUST(pread(fd, back, sizeof back, 0));
  say("%c%c%c", back[0], back[2047], back[4095]);
}

PLAY(aio_that_waits_and_calls_back) {
  int fds[2];
  pipe_pair(fds);
  char c = 0;
  MUST(sem_init(&ticked, 0, 0));
  struct aiocb one = {.aio_fildes = fds[0], .aio_buf = &c, .aio_nbytes = 1};
  one.aio_sigevent.sigev_notify = SIGEV_THREAD;
  one.aio_sigevent.sigev_notify_function = tick;
  one.aio_sigevent.sigev_value.sival_int = 1;
  MUST(aio_read(&one));
  usleep(1000);
  say("%s", error_name(aio_error(&one)));
  tell(fds[1]);
  MUST(sem_wait(&ticked));
  say("%d %zd '%c'", aio_error(&one), aio_return(&one), c);
}

PLAY(lio_listio_waits) {
  const int fd = disk_file(1024);
  char data[2][512];
  struct aiocb a = {.aio_fildes = fd, .aio_buf = data[0], .aio_nbytes = 512, .aio_lio_opcode = LIO_READ};
  struct aiocb b = {.aio_fildes = fd, .aio_buf = data[1], .aio_nbytes = 512, .aio_offset = 512, .aio_lio_opcode = LIO_READ};
  struct aiocb *both[] = {&a, &b};
  DO(lio_listio(LIO_WAIT, both, 2, NULL));
  say("%zd %zd %c", aio_return(&a), aio_return(&b), data[1][511]);
}

/* -- names looked up by libc's threads */

PLAY(getaddrinfo_a_of_numbers) {
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
  struct gaicb all[4], *list[4];
  const char *const names[] = {"127.0.0.1", "127.0.0.2", "::1", "not a number"};
  memset(all, 0, sizeof all);
  for (int i = 0; i < 4; ++i) {
    all[i].ar_name = names[i];
    all[i].ar_request = &hints;
    list[i] = &all[i];
  }
  DO(getaddrinfo_a(GAI_WAIT, list, 4, NULL));
  for (int i = 0; i < 4; ++i) say("%s: %s", names[i], gai_error(list[i]) == 0 ? "found" : gai_strerror(gai_error(list[i])));
  DO(getaddrinfo_a(GAI_NOWAIT, list, 3, NULL));
  const struct gaicb *const first[] = {list[0], list[1], list[2]};
  while (gai_error(list[0]) == EAI_INPROGRESS || gai_error(list[1]) == EAI_INPROGRESS || gai_error(list[2]) == EAI_INPROGRESS)
    gai_suspend(first, 3, NULL);
  say("%d %d %d", gai_error(list[0]), gai_error(list[1]), gai_error(list[2]));
}
