// Results of getaddrinfo as text, so that two of them compare with a readable difference. Relies on POSIX only.
#pragma once

#include <netdb.h>
#include <netinet/in.h>

#include <string>

namespace weft_test {

using getaddrinfo_function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

// "error -2", or a line for each entry: flags, family, type, protocol, address, port, scope, canonical name.
inline std::string answer_of(getaddrinfo_function f, const char* node, const char* service, const addrinfo* hints) {
  addrinfo* list = nullptr;
  const int error = f(node, service, hints, &list);
  if (error != 0) return "error " + std::to_string(error);
  std::string text;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    text += "flags " + std::to_string(a->ai_flags) + " family " + std::to_string(a->ai_family) + " type " +
            std::to_string(a->ai_socktype) + " protocol " + std::to_string(a->ai_protocol) + " " + host + " port " + port +
            " size " + std::to_string(a->ai_addrlen) + (a->ai_canonname != nullptr ? std::string(" = ") + a->ai_canonname : "") + "\n";
  }
  freeaddrinfo(list);
  return text;
}

// The addresses alone, in their order: "192.0.2.1 192.0.2.2", or "error -2".
inline std::string addresses_of(getaddrinfo_function f, const char* node, int family, int flags = 0) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int error = f(node, nullptr, &hints, &list);
  if (error != 0) return "error " + std::to_string(error);
  std::string text;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    char host[NI_MAXHOST];
    getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
    text += (text.empty() ? "" : " ") + std::string(host);
  }
  freeaddrinfo(list);
  return text;
}

inline std::string error_text(int code) { return "error " + std::to_string(code); }

}  // namespace weft_test
