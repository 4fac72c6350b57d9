#include "net/process_start.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <stdexcept>
#include <unistd.h>

#include "net/fail.hpp"
#include "weft/io.hpp"

extern char** environ;

namespace weft::net {
namespace {

struct file_actions {
  file_actions() { posix_spawn_file_actions_init(&list); }
  ~file_actions() { posix_spawn_file_actions_destroy(&list); }
  file_actions(const file_actions&) = delete;
  file_actions& operator=(const file_actions&) = delete;
  posix_spawn_file_actions_t list;
};

struct attributes {
  attributes() { posix_spawnattr_init(&list); }
  ~attributes() { posix_spawnattr_destroy(&list); }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;
  posix_spawnattr_t list;
};

void checked(int error, const std::string& what) {
  if (error == 0) return;
  errno = error;
  fail(what);
}

// Descriptors 0 to 2 are about to be replaced in the child, one after the other: none of them may be a source.
socket_handle above_standard(int fd) {
  socket_handle up(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!up) fail("a descriptor for a child");
  return up;
}

// This side does not wait by itself: a pipe's ends have flags of their own, so that is no business of the child's.
void make_pipe(bool child_reads, socket_handle& theirs, stream& ours) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("a pipe for a child");
  socket_handle reading(ends[0]), writing(ends[1]);
  theirs = above_standard((child_reads ? reading : writing).fd());
  ours = stream(above_standard((child_reads ? writing : reading).fd()).release());
  if (::fcntl(ours.fd(), F_SETFL, O_NONBLOCK) != 0) fail("a pipe for a child");
}

void arrange(const redirect& r, int number, file_actions& actions, socket_handle& theirs, stream& ours) {
  switch (r.what()) {
    case redirect::kind::inherit: return;
    case redirect::kind::null:
      checked(posix_spawn_file_actions_addopen(&actions.list, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0),
              "starting a child");
      return;
    case redirect::kind::pipe: make_pipe(number == 0, theirs, ours); break;
    case redirect::kind::descriptor: theirs = above_standard(r.fd()); break;
    case redirect::kind::to_stdout:
      checked(posix_spawn_file_actions_adddup2(&actions.list, 1, number), "starting a child");
      return;
  }
  checked(posix_spawn_file_actions_adddup2(&actions.list, theirs.fd(), number), "starting a child");
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  all.reserve(words.size() + 1);
  for (const std::string& w : words) all.push_back(const_cast<char*>(w.c_str()));
  all.push_back(nullptr);
  return all;
}

}  // namespace

started start_process(const std::vector<std::string>& argv, const process_options& options) {
  if (argv.empty()) throw std::invalid_argument("weft: a process needs a program");
  if (options.in.what() == redirect::kind::to_stdout || options.out.what() == redirect::kind::to_stdout)
    throw std::invalid_argument("weft: only a child's standard error can go where its output goes");
  started s;
  socket_handle theirs[3];
  file_actions actions;
  arrange(options.in, 0, actions, theirs[0], s.in);
  arrange(options.out, 1, actions, theirs[1], s.out);
  arrange(options.err, 2, actions, theirs[2], s.err);
  if (!options.cwd.empty()) checked(posix_spawn_file_actions_addchdir_np(&actions.list, options.cwd.c_str()), "starting a child");
  if (options.close_others) checked(posix_spawn_file_actions_addclosefrom_np(&actions.list, 3), "starting a child");

  attributes how;
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGXFSZ);
  posix_spawnattr_setsigdefault(&how.list, &defaults);
  int flags = POSIX_SPAWN_SETSIGDEF;
  if (options.new_session) flags |= POSIX_SPAWN_SETSID;
  if (options.new_group && !options.new_session) flags |= POSIX_SPAWN_SETPGROUP;
  posix_spawnattr_setflags(&how.list, static_cast<short>(flags));

  const std::vector<char*> words = pointers(argv);
  const std::vector<char*> names = options.env ? pointers(*options.env) : std::vector<char*>();
  const int error =
      posix_spawnp(&s.pid, words[0], &actions.list, &how.list, words.data(), options.env ? names.data() : environ);
  checked(error, "cannot start " + argv[0] + (options.cwd.empty() ? "" : " in " + options.cwd));
  return s;
}

}  // namespace weft::net
