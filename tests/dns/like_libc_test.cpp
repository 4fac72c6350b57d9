// weft::getaddrinfo gives what libc's gives, entry for entry, for everything that needs no name server.
#include <doctest/doctest.h>

#include <sys/socket.h>

#include <string>
#include <vector>

#include "addrinfo_text.hpp"
#include "weft/dns.hpp"

namespace {

std::string shown(const char* text) { return text == nullptr ? "(null)" : "\"" + std::string(text) + "\""; }

void compare(const char* node, const char* service, const addrinfo* hints) {
  std::string with = hints == nullptr ? "no hints" : "flags " + std::to_string(hints->ai_flags) + " family " +
    std::to_string(hints->ai_family) + " type " + std::to_string(hints->ai_socktype) + " protocol " +
    std::to_string(hints->ai_protocol);
  INFO("node ", shown(node), " service ", shown(service), " ", with);
  CHECK(weft_test::answer_of(&weft::getaddrinfo, node, service, hints) ==
        weft_test::answer_of(&::getaddrinfo, node, service, hints));
}

void compare_with(const char* node, const char* service, int flags, int family, int type, int protocol) {
  addrinfo hints{};
  hints.ai_flags = flags;
  hints.ai_family = family;
  hints.ai_socktype = type;
  hints.ai_protocol = protocol;
  compare(node, service, &hints);
}

const std::vector<const char*> numeric_names = {
  "127.0.0.1", "127.1", "0x7f.1", "1", "255.255.255.255", "256.1.1.1.", "::1", "::", "::ffff:192.0.2.1", "2001:db8::5", "fe80::1%lo",
  "fe80::1%1", "2001:db8::1%7", "::1%lo", "fe80::1%nowhere0", "fe80::1%", "ff02::1%lo",
};

}  // namespace

TEST_CASE("numeric hosts give the same entries for every family and flag") {
  for (const char* node : numeric_names)
    for (const int family : {AF_UNSPEC, AF_INET, AF_INET6})
      for (const int flags : {0, AI_CANONNAME, AI_V4MAPPED, AI_V4MAPPED | AI_ALL, AI_PASSIVE})
        compare_with(node, "80", flags | AI_NUMERICHOST, family, 0, 0);
}

TEST_CASE("AI_ADDRCONFIG narrows as libc's does") {
  for (const char* node : {"127.0.0.1", "::1"})
    for (const int family : {AF_UNSPEC, AF_INET, AF_INET6})
      compare_with(node, nullptr, AI_ADDRCONFIG | AI_NUMERICHOST, family, SOCK_STREAM, 0);
  compare_with(nullptr, "80", AI_ADDRCONFIG | AI_PASSIVE, AF_UNSPEC, SOCK_STREAM, 0);
}

TEST_CASE("names of the hosts file give the same entries") {
  for (const int family : {AF_UNSPEC, AF_INET})
    for (const int flags : {0, AI_CANONNAME, AI_ADDRCONFIG, AI_V4MAPPED})
      for (const char* node : {"localhost", "LocalHost"}) compare_with(node, "80", flags, family, SOCK_STREAM, 0);
  compare_with("localhost", nullptr, AI_V4MAPPED, AF_INET6, SOCK_STREAM, 0);
  compare("localhost", "http", nullptr);
}

TEST_CASE("services by name and number give the same entries") {
  for (const char* service : {"http", "domain", "ssh", "ntp", "0", "80", "65535", "65536", "-1", "+80", "80x", "", "no-such-service",
                              "*", " 80", "99999999999"})
    for (const int type : {0, int{SOCK_STREAM}, int{SOCK_DGRAM}, int{SOCK_RAW}, int{SOCK_SEQPACKET}, int{SOCK_DCCP}})
      for (const int flags : {0, AI_NUMERICSERV}) compare_with("127.0.0.1", service, flags | AI_NUMERICHOST, AF_INET, type, 0);
}

TEST_CASE("socket types and protocols that do not go together fail alike") {
  for (const int type : {0, int{SOCK_STREAM}, int{SOCK_DGRAM}, int{SOCK_RAW}, int{SOCK_SEQPACKET}, int{SOCK_RDM}, 77})
    for (const int protocol : {0, int{IPPROTO_TCP}, int{IPPROTO_UDP}, int{IPPROTO_SCTP}, int{IPPROTO_ICMP}, int{IPPROTO_UDPLITE}, 250})
      for (const char* service : {static_cast<const char*>(nullptr), "53", "domain"})
        compare_with("127.0.0.1", service, AI_NUMERICHOST, AF_INET, type, protocol);
}

TEST_CASE("no host means loopback or, passive, every address") {
  for (const int family : {AF_UNSPEC, AF_INET, AF_INET6})
    for (const int flags : {0, AI_PASSIVE, AI_V4MAPPED})
      for (const char* node : {static_cast<const char*>(nullptr), "*"}) compare_with(node, "8080", flags, family, 0, 0);
}

TEST_CASE("senseless hints fail alike") {
  compare(nullptr, nullptr, nullptr);
  compare("*", "*", nullptr);
  compare_with("127.0.0.1", "80", 0x40000, AF_INET, 0, 0);
  compare_with("127.0.0.1", "80", 0, AF_UNIX, 0, 0);
  compare_with("127.0.0.1", "80", 0, 99, SOCK_RDM, 0);
  compare_with("127.0.0.1", "http", AI_NUMERICSERV, 99, 0, 0);
  compare_with(nullptr, "80", AI_CANONNAME, AF_INET, 0, 0);
  compare_with("not a number", "80", AI_NUMERICHOST, AF_UNSPEC, 0, 0);
  compare_with("example.test", "80", AI_NUMERICHOST, AF_UNSPEC, 0, 0);
  compare_with("", "80", AI_NUMERICHOST, AF_UNSPEC, 0, 0);
}
