#include "output.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

extern char** environ;

namespace weft::doctor {

played play(const std::vector<std::string>& words, bool errors) {
  played p;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    p.error = errno;
    return p;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  if (errors) posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  else posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::vector<char*> argv;
  for (const std::string& w : words) argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  pid_t child = -1;
  p.error = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) p.text.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  while (p.error == 0 && waitpid(child, &p.status, 0) < 0 && errno == EINTR) {
  }
  return p;
}

}  // namespace weft::doctor
