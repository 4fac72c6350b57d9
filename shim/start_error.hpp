// Why a program could not be started, in more words than errno has.
#pragma once

#include <string>

namespace weft::command {

// What keeps a file from being run at all, whoever asks: "is a directory", "is no program: not a regular file", "is not marked
// executable (chmod +x ...)". Empty when nothing is to be seen. Does not say what reason_to_run_natively (doubt.hpp) says.
std::string unfit_to_start(const std::string& path);

// For `words.front()` of an execvp that failed with `error`: unfit_to_start, a script's interpreter that is missing, a program that
// lies in the current folder and not in PATH, else errno's own words.
std::string why_not_started(const std::string& word, int error);

}  // namespace weft::command
