// Results of the gethostby family and of getnameinfo as text, so that Weft's and libc's compare with a readable difference. POSIX only.
#pragma once

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace weft_test {

// The entry of a list of pointers, which libc lays into the caller's buffer as it comes: not aligned, for all one knows.
inline const char* entry_of(char** list, int i) {
  const char* entry;
  std::memcpy(&entry, reinterpret_cast<const char*>(list) + static_cast<std::size_t>(i) * sizeof entry, sizeof entry);
  return entry;
}

inline std::string text_of(const hostent* h) {
  if (h == nullptr) return "nothing";
  std::string text = std::string(h->h_name) + " type " + std::to_string(h->h_addrtype) + " length " + std::to_string(h->h_length) +
      " aliases";
  for (int i = 0; const char* a = entry_of(h->h_aliases, i); ++i) text += std::string(" ") + a;
  text += " addresses";
  for (int i = 0; const char* a = entry_of(h->h_addr_list, i); ++i) {
    char out[INET6_ADDRSTRLEN];
    text += std::string(" ") + inet_ntop(h->h_addrtype, a, out, sizeof out);
  }
  return text;
}

using by_name_r = int (*)(const char*, int, hostent*, char*, size_t, hostent**, int*);
using by_address_r = int (*)(const void*, socklen_t, int, hostent*, char*, size_t, hostent**, int*);
using by_name = hostent* (*)(const char*, int);
using by_address = hostent* (*)(const void*, socklen_t, int);
using name_info = int (*)(const sockaddr*, socklen_t, char*, socklen_t, char*, socklen_t, int);

// "0: a.test ..." or the return value, h_errno and errno of a failure.
template <class Call>
std::string host_answer(Call call, std::size_t size) {
  std::vector<char> buffer(size + 1);
  hostent entry{};
  hostent* result = &entry;
  int error = 77;
  errno = 0;
  const int got = call(&entry, buffer.data() + 1, size, &result, &error);  // + 1: a buffer may begin anywhere
  const int error_number = errno;
  if (result != nullptr) return std::to_string(got) + ": " + text_of(result);
  return std::to_string(got) + ": nothing, h_errno " + std::to_string(error) + (got != 0 ? " errno " + std::to_string(error_number) : "");
}

inline std::string answer_by_name(by_name_r f, const char* name, int family, std::size_t size = 8192) {
  return host_answer([&](auto... rest) { return f(name, family, rest...); }, size);
}

inline std::string answer_by_address(by_address_r f, const char* text, std::size_t size = 8192) {
  unsigned char bytes[16];
  const int family = inet_pton(AF_INET, text, bytes) == 1 ? AF_INET : AF_INET6;
  if (family == AF_INET6) inet_pton(AF_INET6, text, bytes);
  return host_answer([&](auto... rest) { return f(bytes, family == AF_INET ? 4 : 16, family, rest...); }, size);
}

inline std::string text_with_h_errno(const hostent* h) { return h != nullptr ? text_of(h) : "nothing, h_errno " + std::to_string(h_errno); }

struct name_question {
  const char* address;
  int port = 80;
  int flags = 0;
  socklen_t host_size = NI_MAXHOST, service_size = NI_MAXSERV;
  unsigned scope = 0;
};

inline std::string answer_of_name(name_info f, const name_question& q) {
  sockaddr_in four{};
  sockaddr_in6 six{};
  const sockaddr* a = reinterpret_cast<const sockaddr*>(&four);
  socklen_t size = sizeof four;
  if (inet_pton(AF_INET, q.address, &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(static_cast<uint16_t>(q.port));
  } else {
    inet_pton(AF_INET6, q.address, &six.sin6_addr);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<uint16_t>(q.port));
    six.sin6_scope_id = q.scope;
    a = reinterpret_cast<const sockaddr*>(&six);
    size = sizeof six;
  }
  char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
  const int error = f(a, size, q.host_size != 0 ? host : nullptr, q.host_size, q.service_size != 0 ? service : nullptr, q.service_size,
      q.flags);
  if (error != 0) return "error " + std::to_string(error);
  return std::string(host) + " / " + service;
}

}  // namespace weft_test
