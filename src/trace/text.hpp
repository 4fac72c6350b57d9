// JSON's text, a buffer at a time, from where nothing may be called.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sys/syscall.hpp"

namespace weft::trace {

class text {
public:
  text(int fd, char* buffer, std::size_t size) noexcept : fd_(fd), buffer_(buffer), size_(size) {}
  text(const text&) = delete;
  text& operator=(const text&) = delete;

  text& operator<<(const char* s) noexcept {
    while (*s != 0) put(*s++);
    return *this;
  }
  text& operator<<(std::uint64_t n) noexcept {
    char digits[24];
    std::size_t at = sizeof digits;
    digits[--at] = 0;
    do digits[--at] = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    return *this << digits + at;
  }
  text& operator<<(std::uint32_t n) noexcept { return *this << std::uint64_t{n}; }

  // Nanoseconds as JSON's microseconds.
  void microseconds(std::uint64_t ns) noexcept {
    *this << ns / 1000;
    const auto rest = static_cast<unsigned>(ns % 1000);
    put('.');
    put(static_cast<char>('0' + rest / 100));
    put(static_cast<char>('0' + rest / 10 % 10));
    put(static_cast<char>('0' + rest % 10));
  }

  void hex(std::uint64_t n) noexcept {
    *this << "0x";
    int shift = 60;
    while (shift > 0 && n >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) put("0123456789abcdef"[n >> shift & 15]);
  }

  // What may hold anything: at most `most` bytes; what is no UTF-8, or control, becomes '?'.
  void quoted(const char* s, std::size_t most) noexcept {
    put('"');
    for (std::size_t i = 0; i < most && s[i] != 0;) {
      const std::size_t n = sequence(s + i, most - i);
      if (n == 0) {
        put('?');
        ++i;
      } else if (n == 1 && (s[i] == '"' || s[i] == '\\')) {
        put('\\');
        put(s[i++]);
      } else {
        for (std::size_t k = 0; k < n; ++k) put(s[i++]);
      }
    }
    put('"');
  }

  void put(char c) noexcept {
    if (used_ == size_) flush();
    buffer_[used_++] = c;
  }

  void flush() noexcept {
    for (std::size_t at = 0; at < used_ && error_ == 0;) {
      const long n = sys::raw(SYS_write, fd_, buffer_ + at, used_ - at);
      if (n > 0)
        at += static_cast<std::size_t>(n);
      else if (n != -interrupted)
        error_ = n != 0 ? n : -io_error;
    }
    used_ = 0;
  }
  long error() const noexcept { return error_; }

private:
  static constexpr long interrupted = 4, io_error = 5;  // EINTR, EIO

  // Bytes of the printable UTF-8 character at `s`; 0: none.
  static std::size_t sequence(const char* s, std::size_t left) noexcept {
    const auto at = [s](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const auto more = [&](std::size_t i) { return i < left && (at(i) & 0xc0) == 0x80; };
    if (at(0) < 0x20 || at(0) == 0x7f) return 0;
    if (at(0) < 0x80) return 1;
    if (at(0) >= 0xc2 && at(0) < 0xe0) return more(1) ? 2 : 0;
    if (at(0) >= 0xe0 && at(0) < 0xf0) {
      const bool long_form = at(0) == 0xe0 && left > 1 && at(1) < 0xa0, surrogate = at(0) == 0xed && left > 1 && at(1) >= 0xa0;
      return more(1) && more(2) && !long_form && !surrogate ? 3 : 0;
    }
    if (at(0) >= 0xf0 && at(0) < 0xf5) {
      const bool long_form = at(0) == 0xf0 && left > 1 && at(1) < 0x90, beyond = at(0) == 0xf4 && left > 1 && at(1) >= 0x90;
      return more(1) && more(2) && more(3) && !long_form && !beyond ? 4 : 0;
    }
    return 0;
  }

  int fd_;
  char* buffer_;
  std::size_t size_, used_ = 0;
  long error_ = 0;
};

}  // namespace weft::trace
