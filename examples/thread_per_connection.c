/* An echo server as it has been written since there are threads: one pthread for each connection, blocking recv and send, default
 * stacks. It knows nothing of Weft and is not linked with it; examples/demo.sh runs this one binary natively and by `weft run`.
 *
 *   thread_per_connection [PORT]      serves on 127.0.0.1, a free port unless given, which it prints
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char* what, int error) {
  fprintf(stderr, "thread_per_connection: %s: %s\n", what, strerror(error));
  exit(1);
}

static int send_all(int fd, const char* bytes, size_t count) {
  while (count > 0) {
    ssize_t n = send(fd, bytes, count, 0);
    if (n < 0) return -1;
    bytes += n;
    count -= (size_t)n;
  }
  return 0;
}

static void* serve(void* connection) {
  int fd = (int)(intptr_t)connection;
  char buffer[512];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
    if (send_all(fd, buffer, (size_t)n) != 0) break;
  close(fd);
  return NULL;
}

static int listen_on(unsigned port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)port);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(fd, (struct sockaddr*)&address, length) != 0 ||
      listen(fd, 4096) != 0 || getsockname(fd, (struct sockaddr*)&address, &length) != 0)
    die("listen", errno);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  int listener = listen_on(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      die("accept", errno);
    }
    pthread_t thread;
    int error = pthread_create(&thread, NULL, serve, (void*)(intptr_t)fd);
    if (error != 0) die("pthread_create", error);
    pthread_detach(thread);
  }
}
