// Child processes, after Python's subprocess.Popen and trio.run_process: started with pipes that fibers read and write, waited for by
// parking only the fiber.
//
//   auto p = weft::process({"sort", "-u"}, {.in = weft::redirect::pipe(), .out = weft::redirect::pipe()});
//   auto r = p.communicate("b\na\n");          // r.out == "a\nb\n", r.status.success()
//
// Descriptors above 2 are closed in the child, except with close_others = false, when those without O_CLOEXEC stay open.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/stream.hpp"

namespace weft {

// How a child ended.
class WEFT_API exit_status {
public:
  // `status` as wait(2) has it.
  explicit exit_status(int status = 0) noexcept : status_(status) {}
  // It exited with code 0.
  bool success() const noexcept { return status_ == 0; }
  // What it gave to exit; -1 when a signal ended it.
  int code() const noexcept;
  // The signal that ended it; 0 when it exited.
  int signal() const noexcept;
  bool core_dumped() const noexcept;
  // "exit code 3", "signal 9 (Killed)".
  std::string to_string() const;

private:
  int status_;
};

// Where a standard stream of the child comes from or goes to.
class redirect {
public:
  enum class kind { inherit, null, pipe, descriptor, to_stdout };

  // This process's own.
  static redirect inherit() noexcept { return {kind::inherit, -1}; }
  // /dev/null.
  static redirect null() noexcept { return {kind::null, -1}; }
  // A pipe, whose other end process::in(), out() or err() is.
  static redirect pipe() noexcept { return {kind::pipe, -1}; }
  // A descriptor of this process, which stays open here.
  static redirect descriptor(int fd) noexcept { return {kind::descriptor, fd}; }
  // For standard error: where standard output goes.
  static redirect to_stdout() noexcept { return {kind::to_stdout, -1}; }

  kind what() const noexcept { return kind_; }
  int fd() const noexcept { return fd_; }

private:
  redirect(kind k, int fd) noexcept : kind_(k), fd_(fd) {}
  kind kind_;
  int fd_;
};

struct process_options {
  redirect in = redirect::inherit();
  redirect out = redirect::inherit();
  redirect err = redirect::inherit();
  std::optional<std::vector<std::string>> env = {};  // "NAME=value" each; none: this process's environment
  std::string cwd = {};                              // where it starts; empty: here
  bool close_others = true;                          // descriptors above 2
  bool new_session = false;                          // setsid(2): no terminal, a process group of its own
  bool new_group = false;                            // a process group of its own
};

struct process_output {
  exit_status status;
  std::string out, err;  // of the streams that are pipes
};

// A child of the process that started it (in a fork of that one a copy does nothing). Movable, while no fiber waits in it. The
// destructor kills (SIGKILL) and collects a child that was not waited for, and
// parks for that, also when its fiber is cancelled: so a cancelled communicate() leaves no process behind (trio).
class WEFT_API process {
public:
  // Starts argv[0], looked up in PATH unless it holds a '/'. SIGPIPE and SIGXFSZ have their default action in it (Popen). Throws
  // std::system_error that names the program, std::invalid_argument for an empty argv. Holds the OS thread until exec.
  explicit process(std::vector<std::string> argv, const process_options& options = {});
  process(process&& other) noexcept;
  process& operator=(process&& other) noexcept;
  ~process();

  // Owns a child that was forked in another way. `name` is for errors.
  static process adopt(pid_t pid, std::string name);

  pid_t pid() const noexcept { return pid_; }
  // This side of the pipes; without a descriptor where none was asked for. Closing in() is the child's end of input.
  stream& in() noexcept { return in_; }
  stream& out() noexcept { return out_; }
  stream& err() noexcept { return err_; }

  // Parks until it has ended. With pipes that nobody reads the child may never do so: see communicate. Throws cancelled;
  // std::system_error (ECHILD) when somebody else collected it (a wait for any child, an ignored SIGCHLD).
  exit_status wait() { return *wait_to(detail::never); }
  // Same, for at most `d`; empty when it still runs.
  template <class Rep, class Period>
  std::optional<exit_status> wait_for(std::chrono::duration<Rep, Period> d) {
    return wait_to(detail::deadline_after(detail::current_hub(), d));
  }
  // How it ended, if it has. Never parks.
  std::optional<exit_status> poll();

  // Writes `input` to its standard input and closes that, reads its output and errors to their ends, all at the same time, and waits.
  // A child that reads no further is no error. Cut off by a timeout or a cancellation nothing is lost: called again with the same
  // input it goes on.
  process_output communicate(std::string_view input = {});
  // Same, for at most `d`; empty when the child was not done by then. It runs on.
  template <class Rep, class Period>
  std::optional<process_output> communicate_for(std::chrono::duration<Rep, Period> d, std::string_view input = {}) {
    std::optional<process_output> all;
    move_on_after(d, [&] { all = communicate(input); });
    return all;
  }

  // Sends a signal. Nothing when it has been collected. Throws std::system_error.
  void send_signal(int number);
  void terminate();
  void kill();

  // Lets it go: it is neither killed nor collected by this object (it stays a zombie until this process waits for it, or ends).
  pid_t detach() noexcept { return std::exchange(pid_, -1); }

private:
  process() noexcept = default;
  std::optional<exit_status> wait_to(detail::nanos deadline);
  bool collect();
  void put_away() noexcept;

  pid_t pid_ = -1;
  pid_t parent_ = -1;  // who started it: in a forked child a copy of this object is nobody's
  std::string name_;
  std::optional<exit_status> status_;
  stream in_, out_, err_;
  // What communicate has done so far:
  std::size_t written_ = 0;  // of its input
  std::string out_text_, err_text_;
};

// Starts a program, communicates with it and waits; in and out are pipes unless said otherwise, err is shared with this process. A
// cancelled call kills it and waits for its end (trio.run_process). A status that is no success is for the caller to look at.
WEFT_API process_output run_process(std::vector<std::string> argv, std::string_view input = {},
                                    process_options options = {.in = redirect::pipe(), .out = redirect::pipe()});

}  // namespace weft
