#include "sys/report.hpp"

#include "sys/syscall.hpp"

namespace weft::sys {

void report::put(char c) noexcept {
  if (used_ < sizeof text_) text_[used_++] = c;
}

report& report::operator<<(const char* text) noexcept {
  for (; *text != 0; ++text) put(*text);
  return *this;
}

report& report::operator<<(std::uint64_t number) noexcept {
  char digits[20];
  int n = 0;
  do digits[n++] = static_cast<char>('0' + number % 10);
  while ((number /= 10) != 0);
  while (n > 0) put(digits[--n]);
  return *this;
}

report& report::operator<<(long number) noexcept {
  if (number < 0) {
    put('-');
    return *this << (0 - static_cast<std::uint64_t>(number));
  }
  return *this << static_cast<std::uint64_t>(number);
}

report& report::operator<<(const void* address) noexcept {
  put('0');
  put('x');
  const auto value = reinterpret_cast<std::uint64_t>(address);
  bool started = false;
  for (int shift = 60; shift >= 0; shift -= 4) {
    const unsigned nibble = value >> shift & 15;
    if (nibble != 0 || shift == 0) started = true;
    if (started) put("0123456789abcdef"[nibble]);
  }
  return *this;
}

void report::flush() noexcept {
  if (used_ > 0) raw(SYS_write, fd_, &text_[0], used_);
  used_ = 0;
}

}  // namespace weft::sys
