#include "inspect/text.hpp"

#include <algorithm>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

namespace weft::inspect {

std::string duration(std::uint64_t ns) {
  char text[64];
  const double s = static_cast<double>(ns) / 1e9;
  if (ns < 1'000'000)
    std::snprintf(text, sizeof text, "%lu us", ns / 1000);
  else if (ns < 1'000'000'000)
    std::snprintf(text, sizeof text, "%lu ms", ns / 1'000'000);
  else if (s < 100)
    std::snprintf(text, sizeof text, "%.1f s", s);
  else if (s < 7200)
    std::snprintf(text, sizeof text, "%.0f min %.0f s", static_cast<double>(static_cast<std::uint64_t>(s) / 60),
                  static_cast<double>(static_cast<std::uint64_t>(s) % 60));
  else
    std::snprintf(text, sizeof text, "%lu h %lu min", static_cast<std::uint64_t>(s) / 3600, static_cast<std::uint64_t>(s) % 3600 / 60);
  return text;
}

std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string hex(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%lx", number);
  return text;
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
  return out;
}

std::size_t terminal_width() {
  winsize w{};
  return ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 0;
}

std::string table::text(std::size_t width, std::size_t most) const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> wide(columns);
  const std::size_t shown = most == 0 ? rows_.size() : std::min(rows_.size(), most + 1);
  for (std::size_t r = 0; r < shown; ++r)
    for (std::size_t c = 0; c < columns; ++c) wide[c] = std::max(wide[c], rows_[r][c].size());
  std::string out;
  for (std::size_t r = 0; r < shown; ++r) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string& word = rows_[r][c];
      const std::string space(wide[c] - word.size(), ' ');
      const bool last = c + 1 == columns;
      if ((right_ >> c & 1) != 0)
        line += space + word;
      else
        line += last ? word : word + space;
      if (!last) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (width != 0 && line.size() > width) line.resize(width);
    out += line + "\n";
  }
  return out;
}

void json::begin(std::string_view name) {
  if (!first_) out_ += ", ";
  first_ = false;
  if (name.empty()) return;
  quote(name);
  out_ += ": ";
}

void json::quote(std::string_view text) {
  out_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out_ += code;
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

json& json::open(std::string_view name, char bracket) {
  begin(name);
  out_ += bracket;
  closing_ += bracket == '{' ? '}' : ']';
  first_ = true;
  return *this;
}

json& json::open(char bracket) { return open({}, bracket); }

json& json::close() {
  out_ += closing_.back();
  closing_.pop_back();
  first_ = false;
  if (closing_.size() == 2) out_ += '\n';  // a line for each of many
  return *this;
}

json& json::put(std::string_view name, std::string_view value) {
  begin(name);
  quote(value);
  return *this;
}

json& json::put(std::string_view name, std::uint64_t value) {
  begin(name);
  out_ += std::to_string(value);
  return *this;
}

json& json::put(std::string_view name, double value) {
  begin(name);
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  out_ += text;
  return *this;
}

json& json::put_flag(std::string_view name, bool value) {
  begin(name);
  out_ += value ? "true" : "false";
  return *this;
}

}  // namespace weft::inspect
