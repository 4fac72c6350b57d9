// What a DNS message says, read as glibc's "dns" source reads it (nss_dns: getanswer_r): aliases followed in the order of the records,
// records of other owners and other types passed over.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dns/cares.hpp"

namespace weft::dns {

using message = std::basic_string_view<unsigned char>;

struct answer {
  bool damaged = false;
  std::string canonical;             // where the aliases lead; the name that was asked for, without any
  std::vector<std::string> aliases;  // the names on the way there
  // Of the type that was asked for: addresses in bytes, or (PTR) names in text.
  std::vector<std::string> data;
};

inline constexpr int type_a = 1, type_ptr = 12, type_aaaa = 28;

answer read_answer(const cares& library, message m, int type);

}  // namespace weft::dns
