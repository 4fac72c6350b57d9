// What the test DNS server knows: names, addresses, aliases and the names that misbehave.
// Relies on dns_message.hpp. Answers are a pure function of the question; losing and delaying is the server's part.
#pragma once

#include "dns_message.hpp"

#include <arpa/inet.h>

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft_test::dns {

// "127.0.0.1" -> 4 bytes, "::1" -> 16 bytes; throws on anything else.
inline std::string address_bytes(const std::string& text) {
  unsigned char raw[16];
  if (inet_pton(AF_INET, text.c_str(), raw) == 1) return std::string(reinterpret_cast<char*>(raw), 4);
  if (inet_pton(AF_INET6, text.c_str(), raw) == 1) return std::string(reinterpret_cast<char*>(raw), 16);
  throw std::invalid_argument("not an address: " + text);
}

// The name under which PTR asks for an address.
inline std::string reverse_name(const std::string& bytes) {
  std::string name;
  if (bytes.size() == 4) {
    for (int i = 3; i >= 0; --i) name += std::to_string(static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)])) + '.';
    return name + "in-addr.arpa";
  }
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte)
    for (const unsigned nibble : {static_cast<unsigned>(*byte) & 15u, static_cast<unsigned>(*byte) >> 4 & 15u})
      (name += "0123456789abcdef"[nibble]) += '.';
  return name + "ip6.arpa";
}

struct zone {
  std::map<std::string, std::vector<std::string>> addresses;   // name -> addresses in bytes, in the order given
  std::map<std::string, std::vector<std::string>> wildcards;   // suffix -> addresses, for every name below it
  std::map<std::string, std::string> aliases;                  // CNAMEs
  std::map<std::string, std::string> pointers;                 // reverse name -> name; the first name of an address wins
  std::set<std::string> nxdomain, servfail, refused, empty, silent, wrong_id, wrong_question, garbage, runt, truncated;

  void add_address(const std::string& name, const std::string& text) {
    const std::string bytes = address_bytes(text);
    addresses[lower(name)].push_back(bytes);
    pointers.emplace(reverse_name(bytes), lower(name));
  }

  reply answer(const question& q) const {
    if (servfail.count(q.name)) return {rcode::servfail, {}};
    if (refused.count(q.name)) return {rcode::refused, {}};
    if (empty.count(q.name)) return {};
    if (nxdomain.count(q.name)) return {rcode::nxdomain, {}};
    if (const auto pointer = pointers.find(q.name); pointer != pointers.end()) {
      if (q.asked != type::ptr && q.asked != type::any) return {};
      return {rcode::ok, {{q.name, type::ptr, pointer->second}}};
    }
    reply result;
    std::string name = q.name;
    // Bounded, so that an alias loop in a test's zone ends as it does in a real server.
    for (int hops = 0; hops < 8; ++hops) {
      const auto alias = aliases.find(name);
      if (alias == aliases.end()) break;
      result.answers.push_back({name, type::cname, alias->second});
      name = alias->second;
    }
    const std::vector<std::string>* found = find(name);
    if (found == nullptr) {
      result.code = rcode::nxdomain;
      return result;
    }
    for (const std::string& bytes : *found) {
      const type kind = bytes.size() == 4 ? type::a : type::aaaa;
      if (q.asked == kind || q.asked == type::any) result.answers.push_back({name, kind, bytes});
    }
    return result;      // without an answer of the asked type: NODATA
  }

private:
  const std::vector<std::string>* find(const std::string& name) const {
    if (const auto exact = addresses.find(name); exact != addresses.end()) return &exact->second;
    for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      if (const auto below = wildcards.find(name.substr(dot + 1)); below != wildcards.end()) return &below->second;
    return nullptr;
  }
};

}  // namespace weft_test::dns
