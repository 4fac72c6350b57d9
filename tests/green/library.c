/* A library that makes a thread as it is loaded, asks it, and ends it as it goes: what scenes/loading.c is linked with and opens. */
#include <pthread.h>

int library_thread_ran(void);
int library_ask(int value);

static pthread_t thread;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER, answered = PTHREAD_COND_INITIALIZER;
static int ran, question, answer, state; /* 0: nothing, 1: a question, 2: an answer, 3: the end */

static void *serve(void *arg) {
  pthread_mutex_lock(&mutex);
  ran = 1;
  pthread_cond_broadcast(&answered);
  while (state != 3) {
    if (state == 1) {
      answer = question + 1;
      state = 2;
      pthread_cond_broadcast(&answered);
    }
    pthread_cond_wait(&asked, &mutex);
  }
  pthread_mutex_unlock(&mutex);
  return arg;
}

__attribute__((constructor)) static void load(void) { pthread_create(&thread, NULL, serve, NULL); }

__attribute__((destructor)) static void unload(void) {
  pthread_mutex_lock(&mutex);
  state = 3;
  pthread_cond_broadcast(&asked);
  pthread_mutex_unlock(&mutex);
  pthread_join(thread, NULL);
}

int library_thread_ran(void) {
  pthread_mutex_lock(&mutex);
  while (!ran) pthread_cond_wait(&answered, &mutex);
  pthread_mutex_unlock(&mutex);
  return ran;
}

int library_ask(int value) {
  pthread_mutex_lock(&mutex);
  while (state != 0) pthread_cond_wait(&answered, &mutex);
  question = value;
  state = 1;
  pthread_cond_broadcast(&asked);
  while (state != 2) pthread_cond_wait(&answered, &mutex);
  const int result = answer;
  state = 0;
  pthread_cond_broadcast(&answered);
  pthread_mutex_unlock(&mutex);
  return result;
}
