// Words to stderr from places where nothing may be called: the overflow handler, the core, a dying process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::sys {

// Collects one report and writes it with one write(2) when destroyed, to descriptor 2 unless another is named. Text beyond the
// buffer is cut.
class report {
public:
  explicit report(int fd = 2) noexcept : fd_(fd) { *this << "weft: "; }
  report(const report&) = delete;
  report& operator=(const report&) = delete;
  ~report() { flush(); }

  report& operator<<(const char* text) noexcept;
  report& operator<<(std::uint64_t number) noexcept;
  report& operator<<(std::uint32_t number) noexcept { return *this << std::uint64_t{number}; }
  report& operator<<(long number) noexcept;
  report& operator<<(int number) noexcept { return *this << long{number}; }
  report& operator<<(const void* address) noexcept;

  void flush() noexcept;

private:
  void put(char c) noexcept;

  int fd_;
  std::size_t used_ = 0;
  char text_[2000];
};

}  // namespace weft::sys
