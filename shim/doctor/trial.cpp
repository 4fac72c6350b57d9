// A program of two threads (trial.c), started by `weft run --strict`: the whole way from preloading to a green thread, tried.
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "machine.hpp"
#include "output.hpp"

namespace weft::doctor {
namespace {

std::string number_after(const std::string& text, const char* words) {
  const std::size_t at = text.find(words);
  if (at == std::string::npos) return {};
  const std::size_t begin = text.find_first_of("0123456789", at + std::strlen(words));
  return begin == std::string::npos ? std::string() : text.substr(begin, text.find_first_not_of("0123456789,", begin) - begin);
}

}  // namespace

finding trial(const std::string& weft_command, const std::string& program) {
  for (const char* name : {"WEFT_OFF", "WEFT_MODE", "WEFT_STATS", "WEFT_DEBUG", "WEFT_WATCHDOG", "WEFT_AUDIT"}) unsetenv(name);
  const auto [error, status, text] = play({weft_command, "run", "--strict", "--stats", "--", program}, true);
  if (error != 0) return {level::missing, "a trial", std::string("not made: ") + std::strerror(error), ""};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && number_after(text, "green threads created") == "1")
    return {level::ok, "a trial",
            "a program of two threads ran green: " + number_after(text, "system call sites patched") + " sites redirected, " +
                number_after(text, "parks") + " parks, " + number_after(text, "OS threads at the end") + " OS thread",
            ""};
  const std::size_t line = text.find("weft: ");
  const std::string said =
      line == std::string::npos ? "status " + std::to_string(status) : text.substr(line, text.find('\n', line) - line);
  return {level::missing, "a trial", "a program of two threads did not run green: " + said, "what is missing above"};
}

}  // namespace weft::doctor
