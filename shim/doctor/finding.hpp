// One line of `weft doctor` or `weft explain`: how things stand, what Weft does about it, and what can be changed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::doctor {

enum class level {
  ok,       // as it should be
  limited,  // works, at a price or up to a number that is named
  missing,  // what depends on it does not work: programs run natively, or a tool is not available
};

struct finding {
  level how = level::ok;
  std::string topic;   // a few words
  std::string state;   // what was found, and what Weft does therefore
  std::string advice;  // what to change; empty when nothing needs to be
};

// Prints them with their topics in a column, advice in a line of its own.
void print(const std::vector<finding>& findings);

// A number with separators: 1,048,576.
std::string grouped(unsigned long long number);

// The first line of a small file of /proc or /sys, without its newline; empty when it cannot be read.
std::string first_line(const char* path);

// ... and the number that it begins with; `otherwise` when there is none ("max").
unsigned long long number_in(const char* path, unsigned long long otherwise);

}  // namespace weft::doctor
