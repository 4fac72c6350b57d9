/* Names that need no server: numbers, services, errors, and what /etc/hosts has for localhost. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "../scene.h"

#define GROUP "names"

static void look_up(const char *node, const char *service, int flags, int family, int type) {
  struct addrinfo hints = {.ai_flags = flags, .ai_family = family, .ai_socktype = type}, *list = NULL;
  const int error = getaddrinfo(node, service, &hints, &list);
  say("getaddrinfo(%s, %s, %x, %d, %d) = %s", node != NULL ? node : "NULL", service != NULL ? service : "NULL", (unsigned)flags, family,
      type, error == 0 ? "0" : error == EAI_SYSTEM ? "EAI_SYSTEM" : gai_strerror(error));
  for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
    char host[INET6_ADDRSTRLEN], port[16];
    if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) abort();
    say("  %d %d %s %s %s", a->ai_socktype, a->ai_protocol, host, port, a->ai_canonname != NULL ? a->ai_canonname : "-");
  }
  if (list != NULL) freeaddrinfo(list);
}

static void look_up_numbers(void *arg) {
  (void)arg;
  look_up("127.0.0.1", "80", 0, AF_UNSPEC, SOCK_STREAM);
  look_up("127.1", NULL, 0, AF_INET, 0);
  look_up("0x7f000001", "7", 0, AF_UNSPEC, SOCK_DGRAM);
  look_up("::1", "http", 0, AF_UNSPEC, SOCK_STREAM);
  look_up("::1", NULL, 0, AF_INET, SOCK_STREAM);
  look_up("127.0.0.1", NULL, 0, AF_INET6, SOCK_STREAM);
  look_up("127.0.0.1", NULL, AI_V4MAPPED, AF_INET6, SOCK_STREAM);
  look_up("127.0.0.1", NULL, AI_NUMERICHOST | AI_CANONNAME, AF_INET, SOCK_STREAM);
  look_up("no number", NULL, AI_NUMERICHOST, AF_UNSPEC, 0);
  look_up(NULL, "80", AI_PASSIVE, AF_INET, SOCK_STREAM);
  look_up(NULL, "80", 0, AF_INET, SOCK_STREAM);
  look_up(NULL, NULL, 0, AF_INET, SOCK_STREAM);
  look_up("127.0.0.1", "no-such-service", 0, AF_INET, SOCK_STREAM);
  look_up("127.0.0.1", "http", AI_NUMERICSERV, AF_INET, SOCK_STREAM);
  look_up("127.0.0.1", "70000", 0, AF_INET, SOCK_STREAM);
  look_up("127.0.0.1", "80", 0x40000000, AF_INET, SOCK_STREAM);
  look_up("127.0.0.1", "80", 0, 77, SOCK_STREAM);
  look_up("127.0.0.1", "80", 0, AF_INET, 77);
  look_up("127.0.0.1", "80", AI_CANONNAME, AF_INET, 0);
  look_up("fe80::1%1", "80", 0, AF_INET6, SOCK_STREAM);
}

QUIET_SCENE(numeric_names) { join(go(look_up_numbers, NULL)); }

static void look_up_localhost(void *arg) {
  (void)arg;
  look_up("localhost", "80", 0, AF_INET, SOCK_STREAM);
  struct hostent *h = gethostbyname("localhost");
  say("%s %d", h != NULL ? h->h_name : "none", h != NULL ? h->h_length : h_errno);
  h = gethostbyname("127.0.0.1");
  say("%s", h != NULL ? h->h_name : "none");
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char host[100], service[100];
  DO(getnameinfo((struct sockaddr *)&at, sizeof at, host, sizeof host, service, sizeof service, 0));
  say("%s %s", host, service);
  DO(getnameinfo((struct sockaddr *)&at, sizeof at, host, 3, NULL, 0, NI_NUMERICHOST) == EAI_OVERFLOW);
  DO(getnameinfo((struct sockaddr *)&at, 3, host, sizeof host, NULL, 0, 0) == EAI_FAMILY);
  DO(getnameinfo((struct sockaddr *)&at, sizeof at, NULL, 0, service, sizeof service, NI_DGRAM | NI_NUMERICSERV));
  say("%s", service);
}

QUIET_SCENE(local_names) { join(go(look_up_localhost, NULL)); }
