// Making the child: pipes, file actions, posix_spawn.
#pragma once

#include <sys/types.h>

#include "weft/process.hpp"

namespace weft::net {

struct started {
  pid_t pid = -1;
  stream in, out, err;  // this side of the pipes
};

// Throws std::system_error, std::invalid_argument. On failure nothing is left open.
started start_process(const std::vector<std::string>& argv, const process_options& options);

}  // namespace weft::net
