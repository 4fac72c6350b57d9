#include "dns/host_entry.hpp"

#include <cstring>

namespace weft::dns {

namespace {

std::size_t length_of(int family) { return family == AF_INET ? 4 : 16; }

// Takes pieces off a buffer; the pointers first, so that they alone need aligning.
class packer {
public:
  packer(char* buffer, std::size_t size) : at_(buffer), left_(size) {}

  char** pointers(std::size_t count) {
    if (std::align(alignof(char*), count * sizeof(char*), at_, left_) == nullptr) return nullptr;
    return static_cast<char**>(take(count * sizeof(char*)));
  }
  char* text(const std::string& s) { return bytes(s.c_str(), s.size() + 1); }
  char* bytes(const void* from, std::size_t n) {
    if (left_ < n) return nullptr;
    return static_cast<char*>(std::memcpy(take(n), from, n));
  }

private:
  void* take(std::size_t n) {
    void* taken = at_;
    at_ = static_cast<char*>(at_) + n;
    left_ -= n;
    return taken;
  }

  void* at_;
  std::size_t left_;
};

}  // namespace

std::size_t packed_size(const found_host& found) {
  std::size_t size = alignof(char*) + (found.aliases.size() + found.addresses.size() + 2) * sizeof(char*);
  size += found.canonical.size() + 1 + found.addresses.size() * sizeof(in6_addr);
  for (const std::string& alias : found.aliases) size += alias.size() + 1;
  return size;
}

bool pack(const found_host& found, hostent& entry, char* buffer, std::size_t size) {
  packer p(buffer, size);
  const int family = found.addresses.front().family;
  entry.h_addrtype = family;
  entry.h_length = static_cast<int>(length_of(family));
  entry.h_aliases = p.pointers(found.aliases.size() + 1);
  entry.h_addr_list = entry.h_aliases == nullptr ? nullptr : p.pointers(found.addresses.size() + 1);
  if (entry.h_addr_list == nullptr) return false;
  // Addresses before texts: programs read them as in_addr, in place.
  char** slot = entry.h_addr_list;
  for (const ip_address& a : found.addresses)
    if ((*slot++ = p.bytes(a.bytes.data(), length_of(family))) == nullptr) return false;
  *slot = nullptr;
  slot = entry.h_aliases;
  for (const std::string& alias : found.aliases)
    if ((*slot++ = p.text(alias)) == nullptr) return false;
  *slot = nullptr;
  return (entry.h_name = p.text(found.canonical)) != nullptr;
}

}  // namespace weft::dns
