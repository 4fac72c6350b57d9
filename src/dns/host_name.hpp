// Which texts may be host names.
#pragma once

#include <algorithm>
#include <string_view>

namespace weft::dns {

// Letters, digits, '-', '_' and '.', not beginning with '-': for others libc has no answer either (res_hnok).
inline bool is_host_name(std::string_view name) {
  if (name.empty() || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace weft::dns
