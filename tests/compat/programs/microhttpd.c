// A web server on libmicrohttpd that takes one thread per connection: /N answers N bytes. Until SIGTERM; then says how many
// requests it answered.
#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int answered;

static enum MHD_Result answer(void* arg, struct MHD_Connection* c, const char* url, const char* method, const char* version,
                              const char* data, size_t* size, void** state) {
  (void)arg, (void)method, (void)version, (void)data, (void)size;
  static int seen;
  if (*state == NULL) {  // the headers: the answer is asked for again
    *state = &seen;
    return MHD_YES;
  }
  const size_t length = (size_t)atol(url + 1);
  char* body = malloc(length + 1);
  for (size_t i = 0; i < length; ++i) body[i] = (char)('a' + (i * 7 + length) % 26);
  struct MHD_Response* r = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
  const enum MHD_Result done = MHD_queue_response(c, MHD_HTTP_OK, r);
  MHD_destroy_response(r);
  atomic_fetch_add(&answered, 1);
  return done;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);
  struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct MHD_Daemon* d = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer,
                                          NULL, MHD_OPTION_SOCK_ADDR, &where, MHD_OPTION_LISTEN_BACKLOG_SIZE, 256u, MHD_OPTION_END);
  if (d == NULL) return 1;
  int which;
  sigwait(&ends, &which);
  MHD_stop_daemon(d);
  printf("answered %d\n", atomic_load(&answered));
  return 0;
}
