// The life of a child: waiting, collecting, communicating, and its end when nobody wants it any more.
#include "weft/process.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

#include "core/hub.hpp"
#include "io/children.hpp"
#include "net/fail.hpp"
#include "net/process_start.hpp"
#include "sys/syscall.hpp"
#include "weft/task_group.hpp"

namespace weft {
namespace {

bool nobody_reads(const std::system_error& e) noexcept { return e.code().value() == EPIPE; }

}  // namespace

int exit_status::code() const noexcept { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }
int exit_status::signal() const noexcept { return WIFSIGNALED(status_) ? WTERMSIG(status_) : 0; }
bool exit_status::core_dumped() const noexcept { return WIFSIGNALED(status_) && WCOREDUMP(status_); }

std::string exit_status::to_string() const {
  if (signal() == 0) return "exit code " + std::to_string(code());
  const char* name = sigdescr_np(signal());
  return "signal " + std::to_string(signal()) + (name != nullptr ? " (" + std::string(name) + ")" : "") +
         (core_dumped() ? ", core dumped" : "");
}

process::process(std::vector<std::string> argv, const process_options& options) {
  net::started s = net::start_process(argv, options);
  pid_ = s.pid;
  parent_ = getpid();
  name_ = std::move(argv[0]);
  in_ = std::move(s.in);
  out_ = std::move(s.out);
  err_ = std::move(s.err);
}

process process::adopt(pid_t pid, std::string name) {
  process p;
  p.pid_ = pid;
  p.parent_ = getpid();
  p.name_ = std::move(name);
  return p;
}

process::process(process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), parent_(other.parent_), name_(std::move(other.name_)),
      status_(std::exchange(other.status_, std::nullopt)),
      in_(std::move(other.in_)), out_(std::move(other.out_)), err_(std::move(other.err_)), written_(other.written_),
      out_text_(std::move(other.out_text_)), err_text_(std::move(other.err_text_)) {}

process& process::operator=(process&& other) noexcept {
  if (this == &other) return *this;
  put_away();
  pid_ = std::exchange(other.pid_, -1);
  parent_ = other.parent_;
  name_ = std::move(other.name_);
  status_ = std::exchange(other.status_, std::nullopt);
  in_ = std::move(other.in_);
  out_ = std::move(other.out_);
  err_ = std::move(other.err_);
  written_ = other.written_;
  out_text_ = std::move(other.out_text_);
  err_text_ = std::move(other.err_text_);
  return *this;
}

process::~process() { put_away(); }

// Takes the status if it is there. Only here a pid is given back to the kernel, so `pid_` never names another process.
bool process::collect() {
  if (status_) return true;
  if (pid_ < 0) throw std::system_error(ECHILD, std::generic_category(), "weft: no process");
  int status = 0;
  const long got = sys::raw(SYS_wait4, pid_, &status, WNOHANG, nullptr);
  if (got == 0) return false;
  if (got == pid_) {
    status_ = exit_status(status);
    return true;
  }
  errno = static_cast<int>(-got);
  net::fail("the status of " + name_ + " (process " + std::to_string(std::exchange(pid_, -1)) + ") was collected elsewhere");
}

std::optional<exit_status> process::poll() {
  collect();
  return status_;
}

std::optional<exit_status> process::wait_to(detail::nanos deadline) {
  detail::hub& h = detail::current_hub();
  detail::check_cancelled(h);
  // Another fiber that waits here may be the one that collects.
  while (!collect()) {
    const long waited = io::wait_child(h, pid_, deadline, "process.wait");
    if (waited == io::timed_out) {
      collect();
      return status_;
    }
    if (io::is_ended(waited)) detail::throw_if_ended(h, io::why_ended(waited), "process.wait");
  }
  return status_;
}

void process::put_away() noexcept {
  if (pid_ < 0 || status_ || parent_ != getpid()) return;
  in_.close();
  out_.close();
  err_.close();
  sys::raw(SYS_kill, pid_, SIGKILL);
  try {
    cancel_scope scope;
    scope.set_shield(true);
    scope.run([&] { wait(); });
  } catch (...) {
    // Where nothing can park, or somebody else has collected it: a killed process ends at once.
    if (pid_ >= 0 && !status_)
      while (sys::raw(SYS_wait4, pid_, nullptr, 0, nullptr) == -EINTR) {
      }
  }
  pid_ = -1;
}

process_output process::communicate(std::string_view input) {
  task_group group;
  if (in_)
    group.spawn([&] {
      try {
        while (written_ < input.size()) {
          // In parts that a pipe takes whole or not at all (PIPE_BUF): what was written counts, should this be cut off.
          const std::size_t part = std::min<std::size_t>(input.size() - written_, PIPE_BUF);
          in_.write_all(input.data() + written_, part);
          written_ += part;
        }
      } catch (const std::system_error& e) {
        if (!nobody_reads(e)) throw;
      }
      in_.close();
    });
  if (out_) group.spawn([&] { out_text_ += out_.read_all(); });
  if (err_) group.spawn([&] { err_text_ += err_.read_all(); });
  group.join();
  const exit_status status = wait();
  return {status, std::exchange(out_text_, {}), std::exchange(err_text_, {})};
}

void process::send_signal(int number) {
  if (pid_ < 0 || status_) return;
  if (const long got = sys::raw(SYS_kill, pid_, number); got != 0) {
    errno = static_cast<int>(-got);
    net::fail("signal " + std::to_string(number) + " to " + name_);
  }
}

void process::terminate() { send_signal(SIGTERM); }
void process::kill() { send_signal(SIGKILL); }

process_output run_process(std::vector<std::string> argv, std::string_view input, process_options options) {
  process p(std::move(argv), options);
  return p.communicate(input);
}

}  // namespace weft
