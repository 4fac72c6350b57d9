/* Weft for C programs (C11), and for C++ ones that want no exceptions: fibers, timeouts, events, semaphores, posting from threads.
 *
 * #include <weft/weft.h>, link with -lweft. Nothing has to be started: main is a fiber already, and every OS thread that calls one
 * of these functions gets a hub of its own. A fiber runs until it parks; "parks" below means that other fibers of the thread run
 * meanwhile. When main returns, fibers that still run are cancelled and waited for (WEFT_GRACE_MS, 2 s).
 *
 * Results: 0, or -1 with errno set, unless said otherwise. errno is kept for each fiber. Besides the errors named at each
 * function:
 *   ECANCELED   from what parks: the fiber was cancelled, or a weft_timeout around the call passed. It is sticky: the next
 *               call that parks fails in the same way, until the scope is ended. Return to the caller soon.
 *   EPERM       an object was used on another OS thread than the one that made it. weft_post reaches its thread.
 *   EDEADLK     from what parks, in main: nothing is runnable and nothing could ever wake it; a report is on standard error.
 *   ENOTSUP     from what parks: a signal handler, or Weft itself, called where no fiber can be suspended.
 *   EINTR       from what parks: C++ code threw an exception at this fiber (any_fiber::throw_in).
 *   ENOMEM, and what the kernel says when a thread's first hub cannot be made (EMFILE, ...).
 *
 * Durations are nanoseconds, as int64_t: WEFT_SECONDS(2), WEFT_MS(200). A timeout of 0 looks once and does not park; a negative one
 * (WEFT_FOREVER) never passes. Time is CLOCK_MONOTONIC.
 *
 * Semantics are those of the C++ API: gevent's fibers, trio's cancellation. */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_C_API __attribute__((visibility("default")))

#define WEFT_FOREVER ((int64_t)-1)
#define WEFT_US(n) ((int64_t)(n) * 1000)
#define WEFT_MS(n) ((int64_t)(n) * 1000000)
#define WEFT_SECONDS(n) ((int64_t)(n) * 1000000000)

/* ---- fibers (gevent: spawn, Greenlet; POSIX: pthread_create, pthread_join) ---- */

/* A handle: one reference to a fiber. Belongs to the OS thread that spawned it. */
typedef struct weft_fiber weft_fiber;

/* What weft_join gives for a fiber that was cancelled before its function began, or was unwound (PTHREAD_CANCELED). */
#define WEFT_CANCELED ((void *)-1)

typedef struct weft_spawn_options {
  const char *name;   /* shown in reports; copied; NULL: none */
  size_t stack_size;  /* bytes, rounded up to a power of two of at least 16 KiB; 0: the default (256 KiB, or WEFT_STACK_SIZE) */
} weft_spawn_options;

/* Starts fn(arg) in a fiber of this thread. It runs when the caller next parks or yields, never before weft_spawn returns. *fiber
 * becomes a handle that is to be released; with a NULL `fiber` there is no handle and the fiber runs on its own. Does not park.
 * Errors: ENOMEM (no stack or memory), EINVAL (fn is NULL). */
WEFT_C_API int weft_spawn(weft_fiber **fiber, void *(*fn)(void *), void *arg);
/* Same, with options; NULL: the defaults. */
WEFT_C_API int weft_spawn_with(weft_fiber **fiber, const weft_spawn_options *options, void *(*fn)(void *), void *arg);

/* Gives a handle back; the fiber itself runs on. NULL is allowed. From any OS thread. Does not park, keeps errno. */
WEFT_C_API void weft_release(weft_fiber *fiber);
/* One more reference, to be released too. Returns `fiber`; NULL with EPERM on another OS thread than the fiber's. */
WEFT_C_API weft_fiber *weft_retain(weft_fiber *fiber);

/* Waits until the fiber is over and stores what its function returned in *result (unless `result` is NULL). Several fibers may
 * join one, and one may join again; the handle stays valid. Parks. Errors: EDEADLK (a fiber that joins itself), ENOMEM (the
 * fiber never ran: there was no stack for it), ENOTRECOVERABLE (its function is C++ and ended by an exception). */
WEFT_C_API int weft_join(weft_fiber *fiber, void **result);
/* Same, for at most `timeout`. Errors: also ETIMEDOUT. */
WEFT_C_API int weft_join_for(weft_fiber *fiber, void **result, int64_t timeout);
/* Waits until all `count` fibers are over, for at most `timeout` (gevent.joinall). However they ended is for weft_join to tell. Parks.
 * Errors: ETIMEDOUT, EDEADLK (the caller is among them), EINVAL (a NULL among them). */
WEFT_C_API int weft_joinall(weft_fiber *const *fibers, size_t count, int64_t timeout);

/* Waits until one of `count` fibers is over, for at most `timeout`; *which becomes its index, the first to end, or the lowest of those
 * that were over before. Parks. Errors: ETIMEDOUT, EDEADLK (the caller is among them), EINVAL (a NULL among them, or none at all). */
WEFT_C_API int weft_wait_any(weft_fiber *const *fibers, size_t count, size_t *which, int64_t timeout);
/* Calls fn(fiber, arg) when the fiber is over, in a fiber of its own; at once when it is (asyncio's add_done_callback). `fiber` is
 * lent for the call. Does not park. */
WEFT_C_API int weft_link(weft_fiber *fiber, void (*fn)(weft_fiber *fiber, void *arg), void *arg);
/* Takes back what weft_link added with this fn and arg, as often as it was: how many calls that prevented (asyncio's
 * remove_done_callback). 0 for a fiber that is over. Does not park. Errors: EINVAL. */
WEFT_C_API int weft_unlink(weft_fiber *fiber, void (*fn)(weft_fiber *fiber, void *arg), void *arg);

/* Asks a fiber to stop: its calls that park fail with ECANCELED from now on, a fiber that has not begun never does. Neither waits
 * nor parks. From any OS thread; another one than the fiber's needs a reference of its own, since the request arrives later (to be
 * had by weft_retain on the fiber's thread). Errors: ESRCH (its thread has ended). */
WEFT_C_API int weft_cancel(weft_fiber *fiber);
/* weft_cancel all of them, then weft_joinall (gevent.killall). Parks. */
WEFT_C_API int weft_killall(weft_fiber *const *fibers, size_t count, int64_t timeout);

/* 1 when the fiber is over, else 0. Does not park. */
WEFT_C_API int weft_done(const weft_fiber *fiber);
/* The running fiber, main included. Not a reference of its own: weft_retain it to keep it. NULL with errno when this thread's hub
 * cannot be made. */
WEFT_C_API weft_fiber *weft_current(void);
/* The fiber's name, "main" for main, "" when it has none. Valid as long as a reference to the fiber. */
WEFT_C_API const char *weft_name(const weft_fiber *fiber);

/* Parks for at least `duration`; 0 and less yield once. */
WEFT_C_API int weft_sleep(int64_t duration);
/* Lets every fiber that is ready now run first (gevent.sleep(0), sched_yield). */
WEFT_C_API int weft_yield(void);
/* 1 when the next call that parks would fail with ECANCELED, else 0: for loops that compute. Does not park. */
WEFT_C_API int weft_cancel_due(void);

/* ---- timeouts and shields (trio: fail_after, CancelScope; gevent.Timeout) ---- */

/* A stretch of one fiber's execution, in the caller's memory. Scopes nest: they are ended in the reverse order, by the fiber that
 * began them, before the function that holds them returns. Must not be copied or moved. */
typedef struct weft_scope {
  void *opaque[12];
} weft_scope;

/* From here to weft_timeout_end calls that park fail with ECANCELED as soon as `timeout` has passed; also the one that is parked
 * then. Does not park. */
WEFT_C_API int weft_timeout_begin(weft_scope *scope, int64_t timeout);
/* Makes the timeout pass at once (trio's CancelScope.cancel). By any fiber of the thread, while the scope lasts. Does not park. */
WEFT_C_API int weft_timeout_cancel(weft_scope *scope);
/* Has it pass `timeout` from now instead, as when the peer has given a sign of life; what has passed already stays so (asyncio's
 * timeout.reschedule). By any fiber of the thread, while the scope lasts. Does not park. */
WEFT_C_API int weft_timeout_reset(weft_scope *scope, int64_t timeout);
/* Ends the scope: 0, or -1 with ETIMEDOUT when this timeout passed (or was cancelled), even if it was too late to cut a call off. With
 * nested timeouts each reports only its own: when an outer one has passed as well, or the fiber is cancelled, this returns 0 and
 * calls go on failing with ECANCELED. Does not park. Errors: also EINVAL (not the innermost scope of this fiber). */
WEFT_C_API int weft_timeout_end(weft_scope *scope);

/* From here to weft_shield_end cancellation and timeouts from outside wait: for clean-up that itself must park (trio's shield). */
WEFT_C_API int weft_shield_begin(weft_scope *scope);
WEFT_C_API int weft_shield_end(weft_scope *scope);

/* ---- events (threading.Event, as gevent and asyncio have it) ---- */

/* A flag that fibers wait for: manual reset, any number of waiters. Belongs to the OS thread that made it. */
typedef struct weft_event weft_event;

/* A clear one; NULL with errno. */
WEFT_C_API weft_event *weft_event_create(void);
/* Nobody may be waiting. NULL is allowed. */
WEFT_C_API void weft_event_destroy(weft_event *event);
/* Sets it and makes all waiters ready, in the order in which they came. Does not park. */
WEFT_C_API int weft_event_set(weft_event *event);
/* Later waits park again. Does not park. */
WEFT_C_API int weft_event_clear(weft_event *event);
/* 1 or 0. */
WEFT_C_API int weft_event_is_set(const weft_event *event);
/* Parks until it is set, for at most `timeout`. Errors: ETIMEDOUT. */
WEFT_C_API int weft_event_wait(weft_event *event, int64_t timeout);

/* ---- semaphores (POSIX sem_t; FIFO-fair as asyncio.Semaphore) ---- */

typedef struct weft_semaphore weft_semaphore;

/* One with `permits` to be had at once; NULL with errno. */
WEFT_C_API weft_semaphore *weft_semaphore_create(size_t permits);
/* Nobody may be waiting. NULL is allowed. */
WEFT_C_API void weft_semaphore_destroy(weft_semaphore *semaphore);
/* Takes a permit; parks until there is one, for at most `timeout` (sem_wait, sem_timedwait; 0: sem_trywait). Errors: ETIMEDOUT. */
WEFT_C_API int weft_semaphore_acquire(weft_semaphore *semaphore, int64_t timeout);
/* Gives `permits` permits, first to those who have waited longest (sem_post). Does not park. */
WEFT_C_API int weft_semaphore_release(weft_semaphore *semaphore, size_t permits);
/* Permits that could be had now; 0 while anybody waits. */
WEFT_C_API size_t weft_semaphore_value(const weft_semaphore *semaphore);

/* ---- mutexes and conditions (POSIX, error-checking; FIFO-fair) ---- */

typedef struct weft_mutex weft_mutex;

/* Unlocked; NULL with errno. */
WEFT_C_API weft_mutex *weft_mutex_create(void);
/* Unlocked, and nobody waits. NULL is allowed. */
WEFT_C_API void weft_mutex_destroy(weft_mutex *mutex);
/* Parks while another fiber holds it, for at most `timeout` (0: trylock). Errors: ETIMEDOUT, EDEADLK (the caller holds it). */
WEFT_C_API int weft_mutex_lock(weft_mutex *mutex, int64_t timeout);
/* Hands it to who has waited longest. Does not park. Errors: EPERM (the caller does not hold it). */
WEFT_C_API int weft_mutex_unlock(weft_mutex *mutex);

typedef struct weft_condition weft_condition;

WEFT_C_API weft_condition *weft_condition_create(void);
WEFT_C_API void weft_condition_destroy(weft_condition *condition);
/* Unlocks, parks until notified, for at most `timeout`, and locks again, whatever ended the wait. Wait in a loop that looks at what is
 * waited for. Errors: ETIMEDOUT, EPERM (the caller does not hold the mutex). */
WEFT_C_API int weft_condition_wait(weft_condition *condition, weft_mutex *mutex, int64_t timeout);
/* Wakes the first `count` of those who wait (SIZE_MAX: all). Does not park. */
WEFT_C_API int weft_condition_notify(weft_condition *condition, size_t count);

/* ---- queues and channels of pointers (asyncio.Queue; Go's channels and select) ---- */

/* Holds up to `capacity` pointers (0: any number). */
typedef struct weft_queue weft_queue;

WEFT_C_API weft_queue *weft_queue_create(size_t capacity);
/* Whose newest item is the next (asyncio.LifoQueue). */
WEFT_C_API weft_queue *weft_queue_create_lifo(size_t capacity);
/* Whose smallest item is the next, the oldest among equals (asyncio.PriorityQueue); compare(a, b) as for qsort. */
WEFT_C_API weft_queue *weft_queue_create_sorted(size_t capacity, int (*compare)(const void *, const void *));
/* Nobody may be waiting. What is in it is dropped as it is. NULL is allowed. */
WEFT_C_API void weft_queue_destroy(weft_queue *queue);
/* Puts, and parks while it is full, for at most `timeout`. Errors: ETIMEDOUT, EPIPE (closed). */
WEFT_C_API int weft_queue_put(weft_queue *queue, void *item, int64_t timeout);
/* Takes the next, and parks while it is empty. Errors: ETIMEDOUT, EPIPE (closed and drained). */
WEFT_C_API int weft_queue_get(weft_queue *queue, void **item, int64_t timeout);
/* No more items: puts fail, gets take what is left. Does not park. */
WEFT_C_API int weft_queue_close(weft_queue *queue);
WEFT_C_API size_t weft_queue_size(const weft_queue *queue);
/* The consumer of an item is through with it. Does not park. Errors: EPERM (called more often than items were put). */
WEFT_C_API int weft_queue_task_done(weft_queue *queue);
/* Parks until that was said of every item that was put, for at most `timeout`. Errors: ETIMEDOUT. */
WEFT_C_API int weft_queue_join(weft_queue *queue, int64_t timeout);

/* As a queue, but with capacity 0 a send waits for its receiver, and weft_select can wait for several. */
typedef struct weft_channel weft_channel;

WEFT_C_API weft_channel *weft_channel_create(size_t capacity);
WEFT_C_API void weft_channel_destroy(weft_channel *channel);
WEFT_C_API int weft_channel_send(weft_channel *channel, void *item, int64_t timeout);
WEFT_C_API int weft_channel_receive(weft_channel *channel, void **item, int64_t timeout);
WEFT_C_API int weft_channel_close(weft_channel *channel);

typedef struct weft_select_case {
  weft_channel *channel;  /* NULL: this case never happens */
  int send;               /* 1: send `item`; 0: receive into `item` */
  void *item;
  int closed;             /* becomes 1 when the channel was closed: nothing was sent or received */
} weft_select_case;

/* Does exactly one of the cases and stores its index in *which; of those that could be done at once, a random one. Parks until one
 * can be done, for at most `timeout` (0: Go's default). Errors: ETIMEDOUT. */
WEFT_C_API int weft_select(weft_select_case *cases, size_t count, size_t *which, int64_t timeout);

/* ---- latches (std::latch; Go's WaitGroup) ---- */

typedef struct weft_latch weft_latch;

WEFT_C_API weft_latch *weft_latch_create(size_t count);
WEFT_C_API void weft_latch_destroy(weft_latch *latch);
/* Takes `n` off. Does not park. Errors: EINVAL (more than is left). */
WEFT_C_API int weft_latch_count_down(weft_latch *latch, size_t n);
/* Parks until the count is zero, for at most `timeout`. Errors: ETIMEDOUT. */
WEFT_C_API int weft_latch_wait(weft_latch *latch, int64_t timeout);

/* ---- locks that readers share, and barriers (POSIX pthread_rwlock_t, pthread_barrier_t) ---- */

/* FIFO-fair between readers and writers. */
typedef struct weft_rwlock weft_rwlock;

WEFT_C_API weft_rwlock *weft_rwlock_create(void);
/* Unlocked, and nobody waits. NULL is allowed. */
WEFT_C_API void weft_rwlock_destroy(weft_rwlock *lock);
/* Park for at most `timeout` (0: try). Errors: ETIMEDOUT, EDEADLK (the caller holds it for writing). */
WEFT_C_API int weft_rwlock_read(weft_rwlock *lock, int64_t timeout);
WEFT_C_API int weft_rwlock_write(weft_rwlock *lock, int64_t timeout);
/* Of either kind. Does not park. Errors: EPERM (the caller does not hold it). */
WEFT_C_API int weft_rwlock_unlock(weft_rwlock *lock);

typedef struct weft_barrier weft_barrier;

/* NULL with errno; EINVAL for no parties. */
WEFT_C_API weft_barrier *weft_barrier_create(size_t parties);
WEFT_C_API void weft_barrier_destroy(weft_barrier *barrier);
/* Parks until all parties have come, for at most `timeout`: 1 in the last one to come, 0 in the others. One that gives up (ETIMEDOUT,
 * ECANCELED) breaks the barrier for all. Errors: also EPIPE (it is broken). */
WEFT_C_API int weft_barrier_wait(weft_barrier *barrier, int64_t timeout);
/* As new; those who wait get EPIPE. Does not park. */
WEFT_C_API int weft_barrier_reset(weft_barrier *barrier);

/* ---- pools of fibers (gevent.pool.Pool) ---- */

/* So many fibers at once, which are waited for or cancelled together. */
typedef struct weft_pool weft_pool;

/* NULL with errno; EINVAL for size 0. */
WEFT_C_API weft_pool *weft_pool_create(size_t size);
/* Fibers that are in it run on. Nobody may be waiting. NULL is allowed. */
WEFT_C_API void weft_pool_destroy(weft_pool *pool);
/* weft_spawn, as soon as there is room. Parks until then. */
WEFT_C_API int weft_pool_spawn(weft_pool *pool, weft_fiber **fiber, void *(*fn)(void *), void *arg);
/* Parks until none is left, for at most `timeout`. Errors: ETIMEDOUT. */
WEFT_C_API int weft_pool_join(weft_pool *pool, int64_t timeout);
/* Cancels all, and joins. */
WEFT_C_API int weft_pool_kill(weft_pool *pool, int64_t timeout);
/* Fibers that are not over. */
WEFT_C_API size_t weft_pool_size(const weft_pool *pool);

/* ---- work elsewhere (concurrent.futures), signals (sigwait) ---- */

/* Runs fn(arg) on an OS thread of a pool and stores what it returns in *result (unless it is NULL). Parks. A cancelled call comes
 * back at once; what a thread has begun goes on, so `arg` must live. */
WEFT_C_API int weft_in_thread(void *(*fn)(void *), void *arg, void **result);
/* Runs fn(arg, out, size) in a fork of this process. fn fills `out` there and returns how many bytes it has put in, or -1 with errno; that
 * many come back into `out` here, and are returned. Parks. A cancelled call kills the process. Errors: fn's, ECHILD (the process
 * ended without an answer). */
WEFT_C_API ssize_t weft_in_process(ssize_t (*fn)(void *arg, void *out, size_t size), void *arg, void *out, size_t size);
/* Parks until the signal arrives, for at most `timeout`; its number. Listens only while it waits. Errors: ETIMEDOUT, EINVAL. */
WEFT_C_API int weft_signal_wait(int signal, int64_t timeout);

/* ---- timers (asyncio.call_later) ---- */

typedef struct weft_timer weft_timer;

/* Calls fn(arg) in a fiber of its own after `delay`, and then every `period` (0: once). *timer becomes a handle to be released; NULL: no
 * handle. Does not park. */
WEFT_C_API int weft_call_later(weft_timer **timer, int64_t delay, int64_t period, void (*fn)(void *), void *arg);
/* No further call begins. 1 when that prevented something, else 0. Does not park. */
WEFT_C_API int weft_timer_cancel(weft_timer *timer);
/* Gives the handle back; the timer goes on. NULL is allowed. */
WEFT_C_API void weft_timer_release(weft_timer *timer);

/* ---- greenlets (Python's greenlet: explicit switches between stacks, no scheduler; docs/greenlets.md) ---- */

typedef struct weft_greenlet weft_greenlet;

/* Will run fn(arg, what the first switch sends) on a stack of its own (0: of the usual size); what it returns goes to its parent, the
 * greenlet that made it. To be released. NULL with errno. */
WEFT_C_API weft_greenlet *weft_greenlet_create(void *(*fn)(void *arg, void *first), void *arg, size_t stack_size);
/* Runs the other one until somebody switches back, and stores what was sent in *got (unless it is NULL). To one that is over: to its
 * parent. Errors: EPERM (another fiber's or thread's), ENOMEM, EINTR (a C++ exception came out of it). */
WEFT_C_API int weft_greenlet_switch(weft_greenlet *to, void *sent, void **got);
/* The running one, the root included; to be released. NULL with errno. */
WEFT_C_API weft_greenlet *weft_greenlet_current(void);
/* 1 when its function has returned. */
WEFT_C_API int weft_greenlet_dead(const weft_greenlet *greenlet);
/* Gives a handle back. With the last one a greenlet that is suspended is unwound as C++ unwinds: C frames are left without running
 * anything, so release what a C function holds before, by switching to it. NULL is allowed. */
WEFT_C_API void weft_greenlet_release(weft_greenlet *greenlet);

/* ---- hubs ---- */

/* A handle on an OS thread's hub; usable from every OS thread, also after that hub's thread has ended. */
typedef struct weft_hub weft_hub;

/* This thread's hub, created if need be; to be released. NULL with errno. */
WEFT_C_API weft_hub *weft_hub_current(void);
/* From any OS thread. NULL is allowed. */
WEFT_C_API void weft_hub_release(weft_hub *hub);
/* Runs fn(arg) in a new fiber of the hub (asyncio's call_soon_threadsafe). From any OS thread, not from signal handlers. Posts of one
 * thread start in their order. Does not park. Errors: ESRCH (the hub's thread has ended), ENOMEM, EINVAL (a NULL). */
WEFT_C_API int weft_post(weft_hub *hub, void (*fn)(void *), void *arg);

/* Runs fn(arg) in a new fiber of the hub, waits for it, and stores what it returns in *result (unless `result` is NULL), as
 * trio.from_thread.run. From any OS thread: parks a fiber of another hub, blocks a thread that has none; on the hub's own thread fn is
 * simply called. A cancelled caller comes back at once, and fn goes on, so `arg` must live. Errors: ESRCH (the hub's thread has ended,
 * or ends before fn has begun), ENOMEM, EINVAL (a NULL). */
WEFT_C_API int weft_call(weft_hub *hub, void *(*fn)(void *), void *arg, void **result);

/* Counters since this thread's hub was created, and a few present values. */
typedef struct weft_stats {
  uint64_t fibers_created;
  uint64_t switches;
  uint64_t parks;
  uint64_t polls;       /* system calls that looked for I/O */
  uint64_t io_events;
  uint64_t timers_fired;
  uint64_t remote_wakes;
  size_t fibers;        /* alive now, main included */
  size_t timers;        /* armed now */
  size_t stacks;        /* in use now */
  const char *poller;   /* "epoll" or "select" */
} weft_stats;
/* Figures of this thread's hub. Does not park. */
WEFT_C_API int weft_hub_stats(weft_stats *stats);
/* Writes what every fiber of this thread is doing to standard error (gevent.util.print_run_info). Does not park. */
WEFT_C_API void weft_print_run_info(void);

/* ---- traces (weft/trace.hpp, docs/tracing.md) ---- */

/* Records from now on what fibers do; weft_trace_stop(), or the end of the process, writes it to path, as Chrome's trace-event JSON.
 * About bytes of memory are used, 0: WEFT_TRACE_SIZE. -1: EBUSY while a trace is being recorded, or why path cannot be written. */
WEFT_C_API int weft_trace_start(const char *path, size_t bytes);
/* Ends the recording and writes the trace; nothing when none is recorded. -1: it cannot be written. Blocks the thread. */
WEFT_C_API int weft_trace_stop(void);

/* ---- blocking calls on descriptors (POSIX; weft/io.hpp) ---- */

/* As libc's calls of these names, errors included, but only the calling fiber waits, whatever the descriptor's O_NONBLOCK is;
 * MSG_DONTWAIT asks not to wait. SO_RCVTIMEO and SO_SNDTIMEO are not looked at: put a weft_timeout around the call. weft_write
 * and weft_send come back when everything is sent, or with less when an error or a cancellation came between. All park, besides
 * weft_close. A descriptor that one of these waited on is to be closed by weft_close (or, after weft_patch_all, in whatever way):
 * fibers of this thread that wait on it wake with EBADF. */
WEFT_C_API ssize_t weft_read(int fd, void *to, size_t size);
WEFT_C_API ssize_t weft_write(int fd, const void *from, size_t size);
WEFT_C_API ssize_t weft_recv(int fd, void *to, size_t size, int flags);
WEFT_C_API ssize_t weft_send(int fd, const void *from, size_t size, int flags);
WEFT_C_API int weft_accept(int fd, struct sockaddr *address, socklen_t *size);
WEFT_C_API int weft_connect(int fd, const struct sockaddr *address, socklen_t size);
WEFT_C_API int weft_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
WEFT_C_API int weft_close(int fd);

/* ---- other people's blocking calls (gevent.monkey.patch_all) ---- */

/* From here on the blocking system calls of libc and of every other loaded library, made in fibers, park the fiber instead of the OS
 * thread: sleep, connect, accept, read, write, recv, send, poll, select and their kin. Returns how many call sites were
 * redirected (with WEFT_DOOR=symbols: how many of libc's functions are interposed). Idempotent; reaches libraries loaded later. Other
 * threads are stopped for about a millisecond. Does not park.
 * Errors: ENOTSUP (no site could be redirected; the reason is on standard error). */
WEFT_C_API int weft_patch_all(void);

#ifdef __cplusplus
}
#endif

#endif
