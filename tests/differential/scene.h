/* What a scene is made of: a few parts that make blocking libc calls and say what came back.
 *
 * Scenes are plain C that knows nothing of Weft. stage.c plays them: parts are pthreads in a native run and fibers where Weft was
 * preloaded, and differential.py compares what they said. So a scene orders its parts by joins and by what they send each other, never by
 * time, and says nothing that depends on luck: no descriptor numbers, ports, addresses, or how much a buffer holds. */
#ifndef WEFT_TESTS_SCENE_H
#define WEFT_TESTS_SCENE_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* A file of scenes defines GROUP and then has SCENE(name) { ... } for each. The body is the scene's first part. In a QUIET_SCENE
 * nothing has to wait, so that no park is asked for. */
#define SCENE(name) SCENE_AS(name, 1)
#define QUIET_SCENE(name) SCENE_AS(name, 0)
#define SCENE_AS(name, parks)                                                                     \
  static void scene_##name(void);                                                                 \
  __attribute__((constructor)) static void add_##name(void) { add_scene(GROUP, #name, scene_##name, parks); } \
  static void scene_##name(void)

#ifdef __cplusplus
extern "C" {
#endif

void add_scene(const char *group, const char *name, void (*play)(void), int parks);

/* Starts a part; joins it. A part that was not joined is joined at the end of the one that started it. */
typedef struct part part;
part *go(void (*fn)(void *), void *arg);
void join(part *p);
/* Returns when the part waits in the call that it went to (or is over). */
void await_blocked(part *p);
/* Sends a signal to the OS thread that runs the part. */
void signal_part(part *p, int sig);

/* A line of the running part. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Makes a call and says "call = result", or "call = ENAME" when it returned -1. Gives the result, errno as the call left it. */
#define DO(call) report(#call, (errno = 0, (long)(call)))
/* The same with a name of its own, for calls in loops and tables. */
#define AS(name, call) report(name, (errno = 0, (long)(call)))
/* For calls that return an error number. */
#define DO_ERROR(call) report_error(#call, (call))
/* Sets the stage: a failure ends the scene with a wrong word. */
#define MUST(call) must(#call, __LINE__, (long)(call))
/* Evaluates a call whose result says nothing. */
#define QUIETLY(call) ((void)((call) == 0))

long report(const char *what, long result);
void report_error(const char *what, int error);
long must(const char *what, int line, long result);
/* What an opaque call made of errno: its name, "0" when there was none. */
const char *error_name(int error);

/* The letter that the kernel has for what a thread of this process does (S: it sleeps); 0: there is none. */
char state_of(pid_t tid);
/* Pointers that no page stands behind; the compiler cannot know. */
void *bad(void);
/* `size` bytes of which the kernel may read, not write. */
void *read_only(size_t size);
/* Bytes of ordinary memory, filled with `fill`. Lives until the scene's end. */
char *bytes(size_t size, int fill);

/* "rw" bits of F_GETFL that a program can set: what must never change behind its back. */
void say_flags(const char *what, int fd);

/* -- sockets of every kind, on loopback, ports chosen by the kernel (sockets.c) */
struct sockaddr_in;
int tcp_listener(struct sockaddr_in *at, int backlog);
/* A port that is taken, and where nobody listens: who connects is refused for as long as it is open. */
int tcp_refusing(struct sockaddr_in *at);
int tcp_connected(const struct sockaddr_in *at);
void tcp_pair(int fds[2]);
void udp_pair(int fds[2]);
void unix_pair(int type, int fds[2]);
void pipe_pair(int fds[2]);
void close_both(const int fds[2]);
/* An open, unlinked file with `size` bytes 'f' in it, at offset 0. */
int disk_file(size_t size);
/* A name in a fresh directory that goes away at the scene's end. */
const char *fresh_name(const char *last);

/* One byte there, one byte back: the order of parts. */
void tell(int fd);
void hear(int fd);

#define MS 1000000L /* nanoseconds */

#ifdef __cplusplus
}
#endif

#endif
