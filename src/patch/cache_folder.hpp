// The folder in which site tables are kept between runs, and files in it that nobody else can have written.
//
// WEFT_CACHE names it, or `off`; else $XDG_CACHE_HOME/weft or ~/.cache/weft. Folder and files must belong to the effective user and be
// writable by nobody else. Never used by a process that runs with more rights than its caller (AT_SECURE). Raw system calls only: no
// call of these may wait for a fiber.
#pragma once

#include <string>
#include <vector>

namespace weft::patch {

class cache_folder {
public:
  // Opens it; `make` makes it first where it is missing.
  explicit cache_folder(bool make = false);
  ~cache_folder();
  cache_folder(const cache_folder&) = delete;
  cache_folder& operator=(const cache_folder&) = delete;

  bool usable() const noexcept { return directory_ >= 0; }

  // The whole file; false when there is none that can be trusted.
  bool read(const std::string& name, std::vector<unsigned char>& bytes) const;

  // Puts the file in place in one step: who reads meanwhile sees the old one or the new one. Failure leaves nothing behind.
  void write(const std::string& name, const std::vector<unsigned char>& bytes) const;

private:
  int directory_ = -1;
};

}  // namespace weft::patch
