// Whole small files (/etc/hosts, resolv.conf) read by raw system calls: configuration is read in the middle of a look-up, where
// parking in a rewritten read would let another fiber see half-built state.
#pragma once

#include <cstdint>
#include <string>

namespace weft::dns {

// What tells one version of a file from another. All zero: there is no such file.
struct file_stamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t seconds = 0, nanoseconds = 0;
  friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

file_stamp stamp_of(const std::string& path) noexcept;

// The content, empty when there is no such file or it cannot be read; `found` says which.
std::string read_file(const std::string& path, bool* found = nullptr);

}  // namespace weft::dns
