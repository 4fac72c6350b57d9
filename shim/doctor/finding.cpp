// How findings are printed, and the small files of the kernel they come from.
#include "finding.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace weft::doctor {

void print(const std::vector<finding>& findings) {
  constexpr const char* words[] = {"ok", "limited", "missing"};
  std::size_t width = 0;
  for (const finding& f : findings) width = std::max(width, f.topic.size());
  for (const finding& f : findings) {
    std::printf("  %-8s %-*s  %s\n", words[static_cast<int>(f.how)], static_cast<int>(width), f.topic.c_str(), f.state.c_str());
    if (!f.advice.empty()) std::printf("  %-8s %-*s  -> %s\n", "", static_cast<int>(width), "", f.advice.c_str());
  }
}

std::string grouped(unsigned long long number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

unsigned long long number_in(const char* path, unsigned long long otherwise) {
  const std::string line = first_line(path);
  char* end = nullptr;
  const unsigned long long n = std::strtoull(line.c_str(), &end, 10);
  return end != line.c_str() ? n : otherwise;
}

}  // namespace weft::doctor
