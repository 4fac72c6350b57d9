#include "start_error.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

#include "doubt.hpp"

namespace weft::command {
namespace {

// The program that the kernel runs a script by; empty for what is no script.
std::string interpreter_of(const std::string& path) {
  const std::string head = head_of(path);
  const std::string line(interpreter_line(head));
  return line.substr(0, line.find_first_of(" \t\r"));
}

}  // namespace

std::string unfit_to_start(const std::string& path) {
  struct stat facts;
  if (stat(path.c_str(), &facts) != 0) return {};
  if (S_ISDIR(facts.st_mode)) return "is a directory";
  if (!S_ISREG(facts.st_mode)) return "is no program: not a regular file";
  if (access(path.c_str(), X_OK) != 0 && (facts.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
    return "is not marked executable (chmod +x, or run it by its interpreter)";
  return {};
}

std::string why_not_started(const std::string& word, int error) {
  const std::string words = std::strerror(error);
  const std::string path = find_program(word);
  if (path.empty()) {  // a bare name that PATH does not have
    struct stat facts;
    if (!word.empty() && stat(word.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) return "not found in PATH; ./" + word + " is there";
    return error == ENOENT ? "not found" + std::string(word.empty() ? "" : " in PATH") : words;
  }
  if (error == EACCES)
    if (const std::string why = unfit_to_start(path); !why.empty()) return why;
  if (error == ENOENT && access(path.c_str(), F_OK) == 0) {
    const std::string by = interpreter_of(path);
    return words + ": " + (by.empty() ? "the loader that it names" : "its interpreter " + by) + " is missing";
  }
  return words;
}

}  // namespace weft::command
