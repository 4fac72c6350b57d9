// Starts a program and reads what it prints.
#pragma once

#include <string>
#include <vector>

namespace weft::doctor {

struct played {
  int error = 0;   // errno of a start that failed
  int status = 0;  // as waitpid gives it
  std::string text;
};

// Waits for the end of `words`, whose first is the program's path. Its standard output is `text`, and its standard error too with
// `errors`, else that goes nowhere.
played play(const std::vector<std::string>& words, bool errors);

}  // namespace weft::doctor
