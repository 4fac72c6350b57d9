/* Threads and libraries: one that makes threads as it is loaded, by the linker or by dlopen, and what dlopen does beside threads. */
#include <dlfcn.h>
#include <stdatomic.h>

#include "../green.h"

#define GROUP "loading"

/* Of the library that the program is linked with (library.c). */
int library_thread_ran(void);
int library_ask(int value);

static void *no_work(void *arg) { return arg; }

PLAY(a_thread_made_by_a_librarys_constructor) {
  finish(start(no_work, NULL));
  say("ran %d", library_thread_ran());
  for (int i = 0; i < 5; ++i) say("answer %d", library_ask(i));
}

static const char *library_name(void) {
  const char *name = getenv("WEFT_SCENE_LIBRARY");
  if (name == NULL) abort();
  return name;
}

static void *use_library(void *arg) {
  for (int i = 0; i < 5; ++i) {
    void *library = dlopen(library_name(), RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return "no library";
    int (*ask)(int);
    *(void **)&ask = dlsym(library, "library_ask");
    if (ask == NULL) return "no function";
    if (ask((int)(long)arg) != (int)(long)arg + 1) return "a wrong answer";
    usleep(100);
    dlclose(library);
  }
  return "well";
}

PLAY(dlopen_in_a_thread) { say("%s", (char *)finish(start(use_library, (void *)5L))); }

PLAY(dlopen_in_many_threads) {
  pthread_t all[6];
  for (long i = 0; i < 6; ++i) all[i] = start(use_library, (void *)i);
  for (int i = 0; i < 6; ++i) say("%s", (char *)finish(all[i]));
}

static void *sleep_on(void *arg) {
  for (;;) usleep(500);
  return arg;
}

PLAY(dlopen_beside_waiting_threads) {
  for (int i = 0; i < 4; ++i) start(sleep_on, NULL);
  say("%s", (char *)use_library((void *)1L));
}

static void *fail_to_load(void *arg) {
  say("%s", dlopen("/nonexistent/library.so", RTLD_NOW) == NULL ? "not loaded" : "loaded");
  say("%d", strstr(dlerror(), "nonexistent") != NULL);
  return arg;
}

PLAY(dlerror_is_the_threads_own) {
  finish(start(fail_to_load, NULL));
  say("main has none: %d", dlerror() == NULL);
}

static int made_by_constructor;
static pthread_t early;

static void *run_early(void *arg) {
  made_by_constructor = 3;
  return arg;
}

/* A thread of the program's own constructor. */
__attribute__((constructor)) static void make_early(void) { OK(pthread_create(&early, NULL, run_early, NULL)); }

PLAY(a_thread_made_by_a_constructor) {
  OK(pthread_join(early, NULL));
  say("%d", made_by_constructor);
}
