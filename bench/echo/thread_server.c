/* The textbook server: one pthread per connection, blocking recv and send, no knowledge of Weft.
 *
 * It shows what the kernel's own threads cost, and is the program that `weft run` takes as it is;
 * so it must stay unaware of Weft and use nothing but plain POSIX calls. Prints its port on stdout
 * and serves until a signal ends it.
 */
#define _POSIX_C_SOURCE 200809L
#include "listen.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

enum { stack_size = 64 * 1024 };

static void* serve(void* argument) {
  int fd = (int)(intptr_t)argument;
  char buffer[echo_buffer_size];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    for (ssize_t done = 0; done < n;) {
      ssize_t sent = send(fd, buffer + done, (size_t)(n - done), 0);
      if (sent < 0) {
        close(fd);
        return NULL;
      }
      done += sent;
    }
  }
  close(fd);
  return NULL;
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  int listener = listen_on_loopback(0);

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, stack_size);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      die("accept", errno);
    }
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, serve, (void*)(intptr_t)fd);
    if (error != 0) die("pthread_create", error);
  }
}
