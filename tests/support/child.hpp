// Runs another program (often the test program itself, with a doctest filter) and returns what became of it.
// For behaviour that ends a process, or that must be seen from outside: crashes, reports on stderr, exit, LD_PRELOAD.
// Relies on POSIX only, never on Weft: what it observes must not pass through the library under test.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

extern char** environ;

namespace weft_test {

struct child_result {
  int exit_code = -1;      // -1 when a signal ended it
  int signal = 0;          // 0 when it exited
  std::string out, err;
};

// The environment of this process, with `changes` ("NAME=value" sets, "NAME" removes) applied.
inline std::vector<std::string> changed_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> result;
  const auto name_of = [](const std::string& s) { return s.substr(0, s.find('=')); };
  for (char** e = environ; *e; ++e) {
    bool kept = true;
    for (const std::string& change : changes) kept = kept && name_of(*e) != name_of(change);
    if (kept) result.emplace_back(*e);
  }
  for (const std::string& change : changes)
    if (change.find('=') != std::string::npos) result.push_back(change);
  return result;
}

inline pid_t start_program(const std::vector<std::string>& arguments, const std::vector<std::string>& changes,
                           posix_spawn_file_actions_t* actions) {
  std::vector<std::string> environment = changed_environment(changes);
  std::vector<char*> argv, envp;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  for (const std::string& e : environment) envp.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, argv[0], actions, nullptr, argv.data(), envp.data());
  if (error != 0) throw std::runtime_error("cannot start " + arguments[0] + ": " + std::strerror(error));
  return pid;
}

// Runs `arguments` to its end with nothing on standard input. Blocks the OS thread: not for use beside running fibers.
inline child_result run_program(const std::vector<std::string>& arguments, const std::vector<std::string>& changes = {}) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  const pid_t pid = start_program(arguments, changes, &actions);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  close(err[1]);
  child_result result;
  pollfd ends[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (poll(ends, 2, -1) < 0 && errno != EINTR) break;
    for (int i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || !ends[i].revents) continue;
      char buffer[4096];
      const ssize_t got = read(ends[i].fd, buffer, sizeof buffer);
      if (got > 0) (i == 0 ? result.out : result.err).append(buffer, static_cast<std::size_t>(got));
      else if (got == 0 || errno != EINTR) { close(ends[i].fd); ends[i].fd = -1; }
    }
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  else if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

// The running test program again, with only the doctest case of that exact name (mark it doctest::skip() so that the
// ordinary run leaves it out).
inline child_result run_self(const std::string& test_case, const std::vector<std::string>& changes = {}) {
  std::string escaped;      // doctest splits filters at commas
  for (const char c : test_case) escaped += c == ',' ? std::string("\\,") : std::string(1, c);
  return run_program({"/proc/" + std::to_string(getpid()) + "/exe", "--no-skip", "--test-case=" + escaped}, changes);
}

}  // namespace weft_test
