// How figures, tables and JSON are written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::inspect {

// "312 us", "4.5 s", "2 h 10 min".
std::string duration(std::uint64_t nanoseconds);
// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number);
std::string hex(std::uint64_t number);
// Printable, on one line: what a program has put into a name is not for the terminal to interpret.
std::string printable(std::string_view text);

// Columns of a terminal that standard output is; 0: it is none.
std::size_t terminal_width();

// Rows of words, each column as wide as its widest; the last one takes what is left and is cut there.
class table {
public:
  explicit table(std::vector<std::string> titles) : rows_{std::move(titles)} {}
  // Columns by number whose words end, not begin, under their title.
  void align_right(std::size_t column) { right_ |= std::uint64_t{1} << column; }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::size_t rows() const { return rows_.size() - 1; }
  // `width` 0: nothing is cut. `most` rows at most; 0: all.
  std::string text(std::size_t width, std::size_t most = 0) const;

private:
  std::vector<std::vector<std::string>> rows_;
  std::uint64_t right_ = 0;
};

// Writes one JSON text, member by member.
class json {
public:
  json& open(char bracket);            // '{' or '['
  json& open(std::string_view name, char bracket);
  json& close();
  json& put(std::string_view name, std::string_view value);
  json& put(std::string_view name, const char* value) { return put(name, std::string_view(value)); }
  json& put(std::string_view name, std::uint64_t value);
  json& put(std::string_view name, double value);
  json& put_flag(std::string_view name, bool value);
  const std::string& text() const { return out_; }

private:
  void begin(std::string_view name);
  void quote(std::string_view text);

  std::string out_, closing_;
  bool first_ = true;
};

}  // namespace weft::inspect
