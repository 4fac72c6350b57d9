/* The listening socket of every echo server here, C or C++: loopback, a port the kernel chooses,
 * printed on stdout for bench/run. Must stay the same for all, so that only the serving differs.
 */
#ifndef WEFT_BENCH_ECHO_LISTEN_H
#define WEFT_BENCH_ECHO_LISTEN_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { listen_backlog = 4096, echo_buffer_size = 512 };

static inline void die(const char* what, int error) {
  fprintf(stderr, "echo server: %s: %s\n", what, strerror(error));
  exit(1);
}

/* socket_flags: 0 or SOCK_NONBLOCK, for the listening socket alone. */
static inline int listen_on_loopback(int socket_flags) {
  int fd = socket(AF_INET, SOCK_STREAM | socket_flags, 0);
  struct sockaddr_in address;
  struct sockaddr* any = (struct sockaddr*)&address;
  socklen_t length = sizeof address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, any, length) != 0 || listen(fd, listen_backlog) != 0 || getsockname(fd, any, &length) != 0)
    die("listen", errno);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

#endif
