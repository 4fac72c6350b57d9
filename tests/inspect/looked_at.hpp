// A program to look at: this test program once more, playing one of its skipped test cases, and `weft ps` and its like upon it.
// It waits for its standard input to end where it has nothing better to do, and never outlives the test.
#pragma once

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "child.hpp"

namespace weft_test {

// Where the kernel lets no process look into its sibling (Yama, a container without CAP_SYS_PTRACE) there is nothing to test: the
// program ends as skipped, with the reason.
inline void end_where_nobody_may_look() {
  char words[4096] = {};
  const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  const ssize_t n = read(fd, words, sizeof words - 1);
  close(fd);
  for (ssize_t i = 0; i < n; i += static_cast<ssize_t>(std::strlen(words + i)) + 1)
    if (std::strcmp(words + i, "--no-skip") == 0) return;  // a subject
  const pid_t looked_at = fork();
  if (looked_at == 0) for (;;) pause();
  const pid_t looker = fork();
  if (looker == 0) _exit(ptrace(PTRACE_SEIZE, looked_at, nullptr, nullptr) == 0 ? 0 : errno);
  int status = 0;
  waitpid(looker, &status, 0);
  kill(looked_at, SIGKILL);
  waitpid(looked_at, nullptr, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  std::printf("skipped: a process may not look into another one here: %s\n", std::strerror(WEXITSTATUS(status)));
  std::fflush(stdout);
  _exit(77);
}
inline const bool looking_is_allowed = (end_where_nobody_may_look(), true);

inline child_result weft(std::vector<std::string> words) {
  words.insert(words.begin(), std::getenv("WEFT_COMMAND"));
  return run_program(words, {"LD_PRELOAD"});
}

class subject {
public:
  // `prefix` is what starts it, such as {"weft", "run", "--"}.
  explicit subject(const std::string& test_case, std::vector<std::string> prefix = {}) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string escaped;  // doctest splits filters at commas
    for (const char c : test_case) escaped += c == ',' ? std::string("\\,") : std::string(1, c);
    prefix.insert(prefix.end(), {"/proc/" + std::to_string(getpid()) + "/exe", "--no-skip", "--test-case=" + escaped});
    pid = start_program(prefix, {}, &actions);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    input = in[1];
    output = out[0];
  }
  ~subject() {
    if (pid > 0) kill(pid, SIGKILL);
    finish();
  }
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;

  // Reads what it says until `text` is among it. False when it ends first.
  bool says(const std::string& text) {
    while (said.find(text) == std::string::npos) {
      char part[512];
      const ssize_t n = read(output, part, sizeof part);
      if (n <= 0) return false;
      said.append(part, static_cast<std::size_t>(n));
    }
    return true;
  }
  // Its input ends; waits for it. Its exit code, -1 when a signal ended it.
  int end() {
    if (input >= 0) close(std::exchange(input, -1));
    char part[512];
    for (ssize_t n; (n = read(output, part, sizeof part)) > 0;) said.append(part, static_cast<std::size_t>(n));
    return finish();
  }
  std::string id() const { return std::to_string(pid); }

  pid_t pid = -1;
  int input = -1, output = -1;
  std::string said;

private:
  int finish() {
    if (input >= 0) close(std::exchange(input, -1));
    if (output >= 0) close(std::exchange(output, -1));
    if (pid <= 0) return -1;
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

inline std::vector<std::string> under_weft() { return {std::getenv("WEFT_COMMAND"), "run", "--strict", "--"}; }

// Asks until the answer is as wanted: what is looked at takes its time to get there. The last answer.
inline std::string ask_until(const std::vector<std::string>& words, const std::function<bool(const std::string&)>& good) {
  child_result r;
  for (int n = 0; n < 400; ++n) {
    r = weft(words);
    if (r.exit_code == 0 && good(r.out)) return r.out;
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  return r.out + r.err;
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

// The first line with `part` in it.
inline std::string line_with(const std::string& text, const std::string& part) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (has(line, part)) return line;
  return {};
}

// The paragraph of `weft bt` whose heading has `part` in it.
inline std::string paragraph_with(const std::string& text, const std::string& part) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find("\n\n", at);
    if (end == std::string::npos) end = text.size();
    if (has(text.substr(at, text.find('\n', at) - at), part)) return text.substr(at, end - at);
    at = end + 2;
  }
  return {};
}

// What the subjects of these tests do when they have said what there was to say.
inline void wait_for_the_end() {
  char c;
  while (read(0, &c, 1) > 0) {
  }
}
inline void say(const std::string& text) {
  if (write(1, text.data(), text.size()) < 0) std::abort();
}

}  // namespace weft_test
