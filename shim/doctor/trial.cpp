// A program of two threads (trial.c), started by `weft run --strict`: the whole way from preloading to a green thread, tried.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "machine.hpp"

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
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {level::missing, "a trial", std::string("not made: ") + std::strerror(errno), ""};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    for (const char* name : {"WEFT_OFF", "WEFT_MODE", "WEFT_STATS", "WEFT_DEBUG", "WEFT_WATCHDOG", "WEFT_AUDIT"}) unsetenv(name);
    execl(weft_command.c_str(), weft_command.c_str(), "run", "--strict", "--stats", "--", program.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && number_after(text, "green threads created") == "1")
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
