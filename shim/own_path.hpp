// Where the running command's own file is: what belongs to it lies beside it, or in a folder relative to it. Links are resolved.
#pragma once

#include <climits>
#include <string>
#include <unistd.h>

namespace weft::command {

// Empty when the kernel does not tell.
inline std::string own_path() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  return n > 0 ? std::string(self, static_cast<std::size_t>(n)) : std::string();
}

inline std::string own_folder() {
  const std::string self = own_path();
  return self.substr(0, self.rfind('/'));
}

}  // namespace weft::command
