// The C++ form of getaddrinfo (weft/dns.hpp): endpoints and exceptions around the POSIX-shaped call, which does the work.
#include <netdb.h>

#include <cstring>
#include <memory>
#include <system_error>

#include "weft/dns.hpp"

namespace weft {

namespace {

std::string sentence(int code, std::string_view host) {
  std::string text = "cannot resolve \"" + std::string(host) + "\": " + gai_strerror(code);
  if (code == EAI_SYSTEM) text += std::string(": ") + std::generic_category().message(errno);
  return text;
}

}  // namespace

resolve_error::resolve_error(int code, std::string_view host) : error(sentence(code, host)), code_(code) {}
resolve_error::~resolve_error() = default;

std::vector<endpoint> resolve(std::string_view host, std::string_view service) {
  const std::string host_text(host), service_text(service);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = weft::getaddrinfo(host_text.c_str(), service_text.c_str(), &hints, &list);
  if (code != 0) throw resolve_error(code, host);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  std::vector<endpoint> addresses;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) addresses.emplace_back(a->ai_addr, a->ai_addrlen);
  return addresses;
}

std::vector<endpoint> resolve(std::string_view host, std::uint16_t port) { return resolve(host, std::to_string(port)); }

}  // namespace weft
