/* Plays one scene: parts as pthreads, or as fibers when the shim was preloaded. The program is the same; it looks whether weft_spawn is
 * there. `stage --list` prints the scenes, `stage NAME` plays one: what the parts said, part by part, on standard output.
 * With Weft a last line on standard error tells the hub's figures, so that a quiet native run is noticed. */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>

#include <weft/weft.h>

#include "scene.h"

enum { most_scenes = 400, most_children = 128, most_parts = 1000, most_memory = 64 };

static struct scene {
  const char *group, *name;
  void (*play)(void);
  int parks;
} scenes[most_scenes];
static int scene_count;

void add_scene(const char *group, const char *name, void (*play)(void), int parks) {
  if (scene_count == most_scenes) abort();
  scenes[scene_count++] = (struct scene){group, name, play, parks};
}

/* -- the two ways to run parts */

static __typeof__(weft_spawn) *fiber_spawn;
static __typeof__(weft_join) *fiber_join;
static __typeof__(weft_current) *fiber_current;
static __typeof__(weft_done) *fiber_done;
static __typeof__(weft_sleep) *fiber_sleep;
static __typeof__(weft_hub_stats) *hub_stats;
static __typeof__(weft_hub_current) *this_hub;
static __typeof__(weft_post) *post;
static __typeof__(weft_event_create) *make_event;
static __typeof__(weft_event_set) *set_event;
static __typeof__(weft_event_wait) *wait_for_event;

static void look_for_weft(void) {
  /* Not by name at link time: a native run has none of them. */
#define FIND(pointer, name) *(void **)&pointer = dlsym(RTLD_DEFAULT, name)
  FIND(fiber_spawn, "weft_spawn");
  FIND(fiber_join, "weft_join");
  FIND(fiber_current, "weft_current");
  FIND(fiber_done, "weft_done");
  FIND(fiber_sleep, "weft_sleep");
  FIND(hub_stats, "weft_hub_stats");
  FIND(this_hub, "weft_hub_current");
  FIND(post, "weft_post");
  FIND(make_event, "weft_event_create");
  FIND(set_event, "weft_event_set");
  FIND(wait_for_event, "weft_event_wait");
#undef FIND
}

struct part {
  void (*fn)(void *);
  void *arg;
  char *text;
  size_t size, room;
  struct part *children[most_children];
  int count, joined;
  pthread_t thread;
  volatile pid_t tid;
  volatile int over;
  weft_fiber *fiber;
};

static struct part *parts[most_parts];
static int part_count;
static pthread_mutex_t parts_lock = PTHREAD_MUTEX_INITIALIZER; /* never held across a call that waits */
static __thread struct part *thread_part;

static struct part *own_part(void) {
  if (fiber_spawn == NULL) return thread_part;
  const weft_fiber *self = fiber_current();
  for (int i = part_count - 1; i >= 0; --i)
    if (parts[i]->fiber == self) return parts[i];
  abort();
}

static void *run_part(void *arg) {
  struct part *p = arg;
  if (fiber_spawn == NULL) thread_part = p;
  p->tid = (pid_t)syscall(SYS_gettid);
  p->fn(p->arg);
  for (int i = 0; i < p->count; ++i) join(p->children[i]);
  p->over = 1;
  return NULL;
}

static struct part *start(void (*fn)(void *), void *arg) {
  struct part *p = calloc(1, sizeof *p);
  if (p == NULL) abort();
  p->fn = fn;
  p->arg = arg;
  pthread_mutex_lock(&parts_lock);
  if (part_count == most_parts) abort();
  parts[part_count++] = p;
  pthread_mutex_unlock(&parts_lock);
  const int error = fiber_spawn != NULL ? fiber_spawn(&p->fiber, run_part, p) : pthread_create(&p->thread, NULL, run_part, p);
  if (error != 0) abort();
  return p;
}

part *go(void (*fn)(void *), void *arg) {
  struct part *self = own_part();
  if (self->count == most_children) abort();
  return self->children[self->count++] = start(fn, arg);
}

void join(part *p) {
  if (p->joined) return;
  p->joined = 1;
  if ((fiber_spawn != NULL ? fiber_join(p->fiber, NULL) : pthread_join(p->thread, NULL)) != 0) abort();
}

/* Whether the thread sleeps in the kernel; looked at three times alike, for it may do so for a moment on its way. */
static void await_sleep(volatile const pid_t *tid, volatile const int *over) {
  for (int alike = 0; alike < 3 && !*over;) {
    usleep(300);
    alike = *tid != 0 && state_of(*tid) == 'S' ? alike + 1 : 0;
  }
}

/* Whether some thread of the process besides the caller is on its way. */
static int others_run(void) {
  DIR *tasks = opendir("/proc/self/task");
  const pid_t own = (pid_t)syscall(SYS_gettid);
  int running = 0;
  for (struct dirent *e; tasks != NULL && (e = readdir(tasks)) != NULL;)
    if (e->d_name[0] != '.' && atoi(e->d_name) != own && state_of(atoi(e->d_name)) == 'R') running = 1;
  if (tasks != NULL) closedir(tasks);
  return running;
}

/* A fiber parks as soon as it is let run. Where another thread makes its call, that one must have come to it. */
void await_blocked(part *p) {
  if (fiber_spawn == NULL) {
    await_sleep(&p->tid, &p->over);
    return;
  }
  for (int i = 0; i < 3; ++i) fiber_sleep(0);
  for (int idle = 0; idle < 2;) {
    fiber_sleep(WEFT_MS(1));
    idle = others_run() ? 0 : idle + 1;
  }
}

struct sender {
  pid_t to;
  int sig;
  weft_hub *hub;
  weft_event *sent;
};

static void say_sent(void *event) { set_event(event); }

static void *send_signal(void *arg) {
  const struct sender *s = arg;
  const int never = 0;
  await_sleep(&s->to, &never);
  QUIETLY(syscall(SYS_tgkill, getpid(), s->to, s->sig));
  if (post(s->hub, say_sent, s->sent) != 0) abort();
  return NULL;
}

/* From another OS thread, while the hub sleeps: the signal is then for a fiber that waits, as natively it is for a thread that does. */
void signal_part(part *p, int sig) {
  if (fiber_spawn == NULL) {
    QUIETLY(pthread_kill(p->thread, sig));
    return;
  }
  struct sender s = {(pid_t)syscall(SYS_gettid), sig, this_hub(), make_event()};
  pthread_t thread;
  if (pthread_create(&thread, NULL, send_signal, &s) != 0) abort();
  if (wait_for_event(s.sent, WEFT_FOREVER) != 0) abort();
  pthread_join(thread, NULL);
}

/* -- what parts say */

static int trace; /* WEFT_SCENE_TRACE: also at once, to find where a scene hangs */

static void append(struct part *p, const char *text, size_t size) {
  if (trace) QUIETLY(write(2, text, size));
  if (p->size + size + 1 > p->room) {
    p->room = (p->size + size + 1) * 2;
    p->text = realloc(p->text, p->room);
    if (p->text == NULL) abort();
  }
  memcpy(p->text + p->size, text, size);
  p->size += size;
}

void say(const char *format, ...) {
  char line[1000];
  va_list args;
  va_start(args, format);
  const int error = errno;
  const int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  struct part *p = own_part();
  append(p, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
  if (n == 0 || n >= (int)sizeof line || line[n - 1] != '\n') append(p, "\n", 1);
  errno = error;
}

static void print_part(const struct part *p, const char *name) {
  printf("-- part %s\n%.*s", name, (int)p->size, p->text != NULL ? p->text : "");
  for (int i = 0; i < p->count; ++i) {
    char child[100];
    snprintf(child, sizeof child, "%s.%d", name, i + 1);
    print_part(p->children[i], child);
  }
}

static void play_scene(void *arg) { ((const struct scene *)arg)->play(); }

void remove_fresh_names(void);

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (int i = 0; i < scene_count; ++i) printf("%s %s %s\n", scenes[i].group, scenes[i].name, scenes[i].parks ? "parks" : "quiet");
    return 0;
  }
  for (int i = 0; i < scene_count && argc == 2; ++i) {
    if (strcmp(argv[1], scenes[i].name) != 0) continue;
    look_for_weft();
    trace = getenv("WEFT_SCENE_TRACE") != NULL;
    struct part *first = start(play_scene, &scenes[i]);
    join(first);
    remove_fresh_names();
    print_part(first, "1");
    fflush(stdout);
    if (fiber_spawn != NULL) {
      weft_stats s;
      if (hub_stats(&s) != 0) abort();
      fprintf(stderr, "stage: fibers=%llu parks=%llu poller=%s\n", (unsigned long long)s.fibers_created, (unsigned long long)s.parks,
              s.poller);
    }
    return 0;
  }
  fprintf(stderr, "usage: stage --list | NAME\n");
  return 2;
}
