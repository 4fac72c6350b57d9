// Text is changed under the feet of other threads: blocked in a site, spinning through sites, starting more threads.
#include <doctest/doctest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "child.hpp"
#include "patch/patch.hpp"
#include "pipe_pair.hpp"
#include "sys/syscall.hpp"

using namespace weft::patch;

#define RUNTIME_PATH __attribute__((target("general-regs-only")))

namespace {

// Each test redirects calls that no other test has redirected before.
long wanted_number = -2;
result redirect_only(long nr) {
  wanted_number = nr;
  options o;
  o.wanted = [](long n) { return n == wanted_number; };
  return patch_object_named("libc.so", o);
}

std::atomic<long> calls;
RUNTIME_PATH verdict count_and_pass(call_frame*, long) {
  ++calls;
  return {0, 1};
}

// The kernel's word for what thread `tid` does: blocked in call `nr`?
bool blocked_in(pid_t tid, long nr) {
  std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/syscall");
  long number = -1;
  file >> number;
  return number == nr;
}

// A thread that is known to wait inside one system call.
template <class F>
class blocked_thread {
public:
  blocked_thread(long nr, F f) : body_(std::move(f)), thread_([this] {
    tid_.store(gettid());
    body_();
  }) {
    while (tid_.load() == 0 || !blocked_in(tid_.load(), nr)) sched_yield();
  }
  void join() { thread_.join(); }
  pid_t tid() const { return tid_.load(); }

private:
  F body_;
  std::atomic<pid_t> tid_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("a thread blocked in a read while it is redirected gets its byte, and its next read is seen") {
  pipe_pair p;
  char first = 0, second = 0;
  blocked_thread reader(SYS_read, [&] {
    CHECK(read(p.ends[0], &first, 1) == 1);
    CHECK(read(p.ends[0], &second, 1) == 1);
  });
  calls = 0;
  set_handler(SYS_read, count_and_pass);
  const result r = redirect_only(SYS_read);
  CHECK_MESSAGE(r.code == error::none, r.text);
  CHECK(r.stopped_threads == 1);
  CHECK(r.newly_patched > 0);
  CHECK(write(p.ends[1], "ab", 2) == 2);
  reader.join();
  set_handler(SYS_read, nullptr);
  CHECK(first == 'a');
  CHECK(second == 'b');
  CHECK(calls >= 2);  // the interrupted read was made again through the handler
}

TEST_CASE("threads blocked in poll and epoll_wait are not interrupted by the stop") {
  pipe_pair p;
  const int set = epoll_create1(0);
  epoll_event e{EPOLLIN, {.fd = p.ends[0]}};
  REQUIRE(epoll_ctl(set, EPOLL_CTL_ADD, p.ends[0], &e) == 0);
  blocked_thread poller(SYS_poll, [&] {
    pollfd waits{p.ends[0], POLLIN, 0};
    CHECK(poll(&waits, 1, -1) == 1);
  });
  blocked_thread epoller(SYS_epoll_wait, [&] {
    epoll_event got;
    CHECK(epoll_wait(set, &got, 1, -1) == 1);
  });
  for (const long nr : {SYS_poll, SYS_epoll_wait, SYS_epoll_pwait}) {
    const result r = redirect_only(nr);
    CHECK_MESSAGE(r.code == error::none, r.text);
    CHECK(r.stopped_threads == 2);
  }
  while (!blocked_in(poller.tid(), SYS_poll) || !blocked_in(epoller.tid(), SYS_epoll_wait)) sched_yield();
  CHECK(write(p.ends[1], "a", 1) == 1);
  poller.join();
  epoller.join();
  close(set);
}

TEST_CASE("a sleeping thread comes back behind the jump with the time that is left") {
  timespec left{};
  int outcome = -1;
  blocked_thread sleeper(SYS_clock_nanosleep, [&] {
    const timespec hour{3600, 0};
    outcome = clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, &left);
  });
  const result r = redirect_only(SYS_clock_nanosleep);
  CHECK_MESSAGE(r.code == error::none, r.text);
  sleeper.join();
  CHECK(outcome == EINTR);
  CHECK(left.tv_sec > 3000);
}

namespace {
pipe_pair* inside_handler;
void wait_inside(int) {
  char byte;
  while (weft::sys::raw(SYS_read, inside_handler->ends[0], &byte, 1) == -EINTR) {}
}
}  // namespace

TEST_CASE("a thread in a signal handler that interrupted a site returns behind the jump") {
  struct sigaction action{}, before{};
  action.sa_handler = wait_inside;  // no SA_RESTART: the handler will return to the byte behind the syscall
  sigaction(SIGUSR1, &action, &before);
  pipe_pair waited_for, handler_pipe;
  inside_handler = &handler_pipe;
  int outcome = 0;
  blocked_thread reader(SYS_readv, [&] {
    char byte;
    iovec into{&byte, 1};
    outcome = readv(waited_for.ends[0], &into, 1) == -1 ? errno : 0;
  });
  REQUIRE(weft::sys::raw(SYS_tgkill, getpid(), reader.tid(), SIGUSR1) == 0);
  while (!blocked_in(reader.tid(), SYS_read)) sched_yield();
  const result r = redirect_only(SYS_readv);
  CHECK_MESSAGE(r.code == error::none, r.text);
  CHECK(r.newly_patched > 0);
  CHECK(write(handler_pipe.ends[1], "x", 1) == 1);
  reader.join();
  CHECK(outcome == EINTR);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("threads that make calls without pause survive forty rounds of patching") {
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  std::atomic<long> rounds{0}, wrong{0};
  for (int k = 0; k < 3; ++k)
    busy.emplace_back([&] {
      const pid_t parent = getppid(), self = getpid();
      char buffer[64];
      pipe_pair p;
      while (!stop) {
        if (getppid() != parent || getpid() != self || syscall(SYS_getppid) != parent) ++wrong;
        if (write(p.ends[1], "abc", 3) != 3 || read(p.ends[0], buffer, sizeof buffer) != 3) ++wrong;
        sched_yield();
        if (close(dup(p.ends[0])) != 0 || lseek(-1, 0, SEEK_SET) != -1) ++wrong;
        ++rounds;
      }
    });
  while (rounds < 100) sched_yield();
  for (const long nr : {SYS_getppid, SYS_getpid, SYS_write, SYS_sched_yield, SYS_close, SYS_dup, SYS_lseek, SYS_futex,
                        SYS_mprotect, SYS_mmap, SYS_munmap, SYS_openat, SYS_getdents64, SYS_ioctl, SYS_fcntl, SYS_dup2,
                        SYS_pipe, SYS_pipe2, SYS_socket, SYS_connect, SYS_accept, SYS_sendto, SYS_recvfrom, SYS_sendmsg,
                        SYS_recvmsg, SYS_shutdown, SYS_bind, SYS_listen, SYS_uname, SYS_getuid, SYS_kill, SYS_tgkill,
                        SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_clone, SYS_clone3, SYS_exit, SYS_exit_group, SYS_brk, -1}) {
    const result r = redirect_only(nr);
    CHECK_MESSAGE(r.code == error::none, r.text);
    if (r.newly_patched > 0) CHECK(r.stopped_threads == 3);
    const long before = rounds;
    while (rounds < before + 10) sched_yield();
  }
  stop = true;
  for (std::thread& t : busy) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("threads that start threads meanwhile are all stopped") {
  std::atomic<bool> stop{false};
  std::atomic<long> started{0};
  std::thread starter([&] {
    while (!stop) {
      std::thread([&] { started += getuid() == getuid() ? 1 : 0; }).join();
    }
  });
  for (const long nr : {SYS_getgid, SYS_geteuid, SYS_getegid, SYS_times, SYS_umask, SYS_chdir}) {
    const long before = started;
    while (started < before + 5) sched_yield();
    const result r = redirect_only(nr);
    CHECK_MESSAGE(r.code == error::none, r.text);
    CHECK(r.newly_patched > 0);
  }
  stop = true;
  starter.join();
}

TEST_CASE("a thread that blocks even the reserved signals is named, nothing changes, and a later call succeeds") {
  pipe_pair p;
  blocked_thread deaf(SYS_poll, [&] {
    unsigned long all = ~0ul, before = 0;
    weft::sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, 8);
    pollfd waits{p.ends[0], POLLIN, 0};
    CHECK(weft::sys::raw(SYS_poll, &waits, 1, -1) == 1);
    weft::sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, 8);  // the stop arrives now, too late: ignored
    char byte;
    CHECK(read(p.ends[0], &byte, 1) == 1);
    pollfd again{p.ends[0], POLLIN, 0};
    while (weft::sys::raw(SYS_poll, &again, 1, -1) == -EINTR) {}
    CHECK(again.revents == POLLIN);
  });
  wanted_number = SYS_mkdir;
  options o;
  o.wanted = [](long n) { return n == wanted_number; };
  o.patience_ns = 30'000'000;
  const result refused = patch_object_named("libc.so", o);
  CHECK(refused.code == error::threads_not_stopped);
  CHECK(refused.text.find(std::to_string(deaf.tid())) != std::string::npos);
  CHECK(refused.newly_patched == 0);
  for (const site_report& s : sites())
    if (s.what.nr == SYS_mkdir) CHECK_FALSE(s.patched);
  CHECK(write(p.ends[1], "a", 1) == 1);
  const auto unread = [&] {
    int n = 0;
    ioctl(p.ends[0], FIONREAD, &n);
    return n;
  };
  while (unread() != 0) sched_yield();
  const result later = redirect_only(SYS_mkdir);
  CHECK_MESSAGE(later.code == error::none, later.text);
  CHECK(later.newly_patched > 0);
  CHECK(write(p.ends[1], "b", 1) == 1);
  deaf.join();
}

TEST_CASE("a main thread that has exited does not keep the others from patching") {
  const auto r = weft_test::run_self("helper: the main thread exits, another patches");
  CHECK(r.signal == 0);
  CHECK(r.exit_code == 42);
}

TEST_CASE("helper: the main thread exits, another patches" * doctest::skip()) {
  static const pid_t leader = getpid();
  std::thread([] {
    std::string state;
    while (state != "Z") {
      std::ifstream file("/proc/self/task/" + std::to_string(leader) + "/stat");
      std::string word;
      file >> word >> word >> state;
    }
    _exit(redirect_only(SYS_getppid).code == error::none ? 42 : 1);
  }).detach();
  weft::sys::raw(SYS_exit, 0);  // pthread_exit would unwind through the test runner
}
