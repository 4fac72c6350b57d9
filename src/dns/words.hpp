// Configuration files are lines of words with comments: the three look-ups that every parser here needs.
#pragma once

#include <string_view>

namespace weft::dns {

inline constexpr std::string_view blanks = " \t\r\v\f";

// Takes the first line off `text`, without its end.
inline std::string_view next_line(std::string_view& text) noexcept {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

// Takes the first word off `line`; empty when none is left.
inline std::string_view next_word(std::string_view& line) noexcept {
  const std::size_t begin = line.find_first_not_of(blanks);
  if (begin == line.npos) {
    line = {};
    return {};
  }
  line.remove_prefix(begin);
  const std::size_t end = line.find_first_of(blanks);
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(word.size());
  return word;
}

// Host names compare without regard to ASCII case, whatever the locale.
inline char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

}  // namespace weft::dns
