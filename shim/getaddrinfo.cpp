// The getaddrinfo family as interposed symbols: one line each onto the resolver. What is freed by freeaddrinfo stays libc's.
#include <netdb.h>

extern "C" int weft_dns_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);

extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                                                                  addrinfo** result) {
  return weft_dns_getaddrinfo(node, service, hints, result);
}
