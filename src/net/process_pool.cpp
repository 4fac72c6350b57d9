// Forked workers: their life over there, and the conversation with them.
//
// A worker must run none of the fibers that the fork copied: its work is done by a new OS thread, which has no hub or a fresh one, while
// the copied thread waits in the kernel, by a call of Weft's own that no rewritten site sees. All its reading and writing is raw too.
#include "weft/process_pool.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cxxabi.h>
#include <fcntl.h>
#include <iostream>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

#include "core/hub_state.hpp"
#include "net/fail.hpp"
#include "sys/syscall.hpp"
#include "weft/process.hpp"
#include "weft/queue.hpp"
#include "weft/stream.hpp"

namespace weft {

process_error::~process_error() = default;

namespace {

constexpr char answer = 'v', failed = 'e';

// ---- in the worker

bool read_raw(int fd, void* to, std::size_t size) noexcept {
  for (auto* at = static_cast<char*>(to); size > 0;) {
    const long got = sys::raw(SYS_read, fd, at, size);
    if (got == -EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_raw(int fd, const void* from, std::size_t size) noexcept {
  for (auto* at = static_cast<const char*>(from); size > 0;) {
    const long got = sys::raw(SYS_sendto, fd, at, size, MSG_NOSIGNAL, nullptr, 0);
    if (got == -EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

// What work() appended, or what it threw, with what it is in front.
std::string outcome_of(const std::function<void(std::string&)>& work) {
  std::string out(1, answer);
  try {
    work(out);
    return out;
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    out.assign(1, failed);
    const char* type = "something";
    int status = 0;
    char* plain = nullptr;
    if (const std::type_info* t = abi::__cxa_current_exception_type()) {
      plain = abi::__cxa_demangle(t->name(), nullptr, nullptr, &status);
      type = plain != nullptr ? plain : t->name();
    }
    wire<std::string>::put(out, type);
    std::free(plain);
    try {
      throw;
    } catch (const std::exception& e) {
      wire<std::string>::put(out, e.what());
    } catch (...) {
      wire<std::string>::put(out, "no std::exception");
    }
    return out;
  }
}

// What was printed so far, whose buffers go with the process.
void flush_output() {
  std::fflush(stdout);
  std::cout.flush();
}

// An answer goes with its size in front: who waits for it knows a part from the whole, and does not wait for the end of the line, which a
// process that the worker left behind may hold open.
bool write_answer(int fd, const std::string& out) noexcept {
  const std::uint64_t size = out.size();
  return write_raw(fd, &size, sizeof size) && write_raw(fd, out.data(), out.size());
}

[[noreturn]] void end_worker() noexcept {
  for (;;) sys::raw(SYS_exit_group, 0);
}

// ---- on both sides

struct forked {
  process child;
  stream line;
};

// Forks; `work` runs in the child, with its end of the line.
forked fork_worker(const std::function<void(int fd)>& work) {
  auto [here, there] = stream::pair();
  flush_output();  // or the copy would write it again
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) net::fail("fork");
  if (pid == 0) {
    sys::raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent) sys::raw(SYS_exit_group, 0);
    sys::raw(SYS_close, here.fd());
    try {
      std::thread([&work, fd = there.fd()] {
        work(fd);
        end_worker();
      }).detach();
    } catch (...) {
      sys::raw(SYS_exit_group, 1);
    }
    for (;;) sys::raw(SYS_pause);
  }
  there.close();
  return {process::adopt(pid, "worker"), std::move(here)};
}

// The answer; nothing when it does not come whole.
std::string read_answer(stream& line) {
  try {
    std::uint64_t size = 0;
    line.read_exactly(&size, sizeof size);
    return line.read_exactly(size);
  } catch (const end_of_stream&) {
  } catch (const std::system_error&) {  // it went away before it had read all that it was sent
  }
  return {};
}

// The result in an answer. Throws process_error.
std::string result_in(std::string bytes, process& child) {
  if (bytes.empty()) throw process_error("", "the worker process ended without an answer: " + child.wait().to_string());
  std::string_view in = bytes;
  const char kind = in.front();
  in.remove_prefix(1);
  if (kind == answer) return std::string(in);
  std::string type = wire<std::string>::get(in);
  throw process_error(std::move(type), wire<std::string>::get(in));
}

}  // namespace

std::string detail::in_forked_worker(const std::function<void(std::string&)>& work) {
  forked f = fork_worker([&work](int fd) {
    const std::string out = outcome_of(work);
    flush_output();
    write_answer(fd, out);
  });
  std::string reply = read_answer(f.line);
  if (!reply.empty()) f.child.wait();
  return result_in(std::move(reply), f.child);
}

struct process_pool::state {
  explicit state(std::size_t workers) : size(workers) {}
  std::size_t size;
  queue<std::unique_ptr<forked>> idle;  // null: a worker that is to be forked
};

namespace {

// A worker's life: calls with their size in front, answers likewise, until the pool's end of the line is gone.
void serve(int fd) {
  // Nothing of what the fork copied stays open: a connection would never end for its peer.
  constexpr int kept = 3;
  if (fd != kept) {
    sys::raw(SYS_dup3, fd, kept, O_CLOEXEC);
    fd = kept;
  }
  sys::raw(SYS_close_range, kept + 1, ~0U, 0);
  for (;;) {
    std::uint64_t size = 0;
    detail::worker_call call = nullptr;
    if (!read_raw(fd, &size, sizeof size) || !read_raw(fd, &call, sizeof call)) return;
    std::string in(size, 0);
    if (!read_raw(fd, in.data(), size)) return;
    const std::string out = outcome_of([&](std::string& result) { call(in, result); });
    flush_output();
    if (!write_answer(fd, out)) return;
  }
}

std::unique_ptr<forked> make_worker() { return std::make_unique<forked>(fork_worker(serve)); }

}  // namespace

process_pool::process_pool(std::size_t workers)
    : s_(std::make_unique<state>(workers != 0 ? workers : std::max(1U, std::thread::hardware_concurrency()))) {
  for (std::size_t i = 0; i < s_->size; ++i) s_->idle.put(make_worker());
}

process_pool::~process_pool() = default;

std::size_t process_pool::size() const noexcept { return s_->size; }

std::string process_pool::run(detail::worker_call call, const std::string& bytes) {
  std::unique_ptr<forked> worker = s_->idle.get();
  // Whatever happens, somebody else can have the place; a worker that is in the middle of something is not fit for use.
  struct give_back {
    state& s;
    std::unique_ptr<forked>& worker;
    bool fit = false;
    ~give_back() {
      if (!fit) worker.reset();
      s.idle.try_put(std::move(worker));  // there is room, and it throws nothing when the caller was cancelled in the last moment
    }
  } place{*s_, worker};
  if (worker != nullptr && worker->child.poll()) worker.reset();  // it died idle, which is not this call's failure
  if (worker == nullptr) worker = make_worker();
  std::string request;
  wire<std::uint64_t>::put(request, bytes.size());
  request.append(reinterpret_cast<const char*>(&call), sizeof call);
  request += bytes;
  std::string reply;
  try {
    worker->line.write_all(request);
    reply = read_answer(worker->line);
    place.fit = !reply.empty();
  } catch (const std::system_error&) {  // it went away as it was written to
  }
  return result_in(std::move(reply), worker->child);
}

}  // namespace weft
