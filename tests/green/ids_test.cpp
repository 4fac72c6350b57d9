// The calls that take any thread's id, and descriptors that are not the program's. On the kernel's threads and on green ones.
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "green.hpp"

namespace {

// Calls `body` with the id of a thread that lives meanwhile.
template <class F>
void with_thread(F body) {
  std::atomic<pid_t> tid{0};
  std::atomic<bool> over{false};
  std::thread t([&] {
    tid = gettid();
    while (!over) usleep(500);
  });
  while (tid == 0) usleep(500);
  body(tid.load());
  over = true;
  t.join();
}

// Still works when everything that could be closed was: threads hand a byte to each other through a pipe, and sleep.
bool alive() {
  int ends[2];
  if (pipe(ends) != 0) return false;
  char got = 0;
  std::thread reader([&] {
    if (read(ends[0], &got, 1) != 1) got = 0;
  });
  usleep(2000);
  const bool sent = write(ends[1], "x", 1) == 1;
  reader.join();
  close(ends[0]);
  close(ends[1]);
  return sent && got == 'x';
}

template <class F>
int in_child(F body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("what the kernel keeps for a process is found by any of its threads' ids") {
  with_thread([](pid_t tid) {
    rlimit own{}, by_id{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &own) == 0);
    CHECK(prlimit(tid, RLIMIT_NOFILE, nullptr, &by_id) == 0);
    CHECK(by_id.rlim_cur == own.rlim_cur);
    CHECK(getpgid(tid) == getpgid(0));
    CHECK(getsid(tid) == getsid(0));
    int from = 42, to = 0;
    iovec here{&to, sizeof to}, there{&from, sizeof from};
    CHECK(process_vm_readv(tid, &here, 1, &there, 1, 0) == sizeof to);
    CHECK(to == 42);
    const long same_memory = syscall(SYS_kcmp, tid, getpid(), 1, 0, 0);
    CHECK((same_memory == 0 || errno == ENOSYS || errno == EPERM));
    CHECK(setpgid(tid, tid) == -1);
    CHECK(waitpid(tid, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
  });
}

TEST_CASE("a thread's capabilities are read by its id") {
  with_thread([](pid_t tid) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct own[2]{}, other[2]{};
    REQUIRE(syscall(SYS_capget, &header, own) == 0);
    header.pid = tid;
    CHECK(syscall(SYS_capget, &header, other) == 0);
    CHECK(std::memcmp(own, other, sizeof own) == 0);
    header.version = 1;
    CHECK(syscall(SYS_capget, &header, other) == -1);
    CHECK(errno == EINVAL);
    CHECK(header.version == _LINUX_CAPABILITY_VERSION_3);
  });
}

TEST_CASE("a user namespace of its own is not for one thread of several") {
  CHECK(in_child([] {
          int error = 0;
          in_thread([&] { error = unshare(CLONE_NEWUSER) == 0 ? 0 : errno; });
          return error == EINVAL;
        }) == 0);
}

TEST_CASE("all threads have the ids that one of them sets") {
  if (getuid() != 0) return;
  CHECK(in_child([] {
          bool seen = false;
          with_thread([&](pid_t) {
            if (setresgid(1000, 1000, 1000) != 0 || setresuid(1000, 1000, 1000) != 0) return;
            in_thread([&] { seen = getuid() == 1000 && geteuid() == 1000 && getgid() == 1000; });
            // Whoever opens files in the background has them, too.
            seen = seen && open("/etc/shadow", O_RDONLY) == -1 && errno == EACCES;
          });
          return seen;
        }) == 0);
}

TEST_CASE("a loop that closes every descriptor leaves the threads working") {
  CHECK(in_child([] {
          bool before = false, after = false;
          in_thread([&] {
            before = alive();
            for (int fd = 3; fd < 2000; ++fd) close(fd);
            after = alive();
          });
          return before && after && alive();
        }) == 0);
}

TEST_CASE("closefrom and close_range leave the threads working") {
  CHECK(in_child([] {
          bool after = false;
          in_thread([&] {
            if (!alive()) return;
            closefrom(3);
            after = alive();
            if (syscall(SYS_close_range, 3, ~0u, 0) != 0) after = false;
            after = after && alive();
          });
          return after && alive();
        }) == 0);
}

TEST_CASE("any number may be the target of dup2") {
  CHECK(in_child([] {
          bool good = true;
          in_thread([&] {
            if (!alive()) good = false;
            int ends[2];
            if (pipe(ends) != 0) good = false;
            for (int fd = 3; fd < 1100 && good; ++fd) {
              if (fd == ends[0] || fd == ends[1]) continue;
              good = dup2(ends[1], fd) == fd && write(fd, "y", 1) == 1;
              char c = 0;
              good = good && read(ends[0], &c, 1) == 1 && c == 'y';
              if (fd % 50 == 0) good = good && alive();
            }
            good = good && alive();
          });
          return good && alive();
        }) == 0);
}

TEST_CASE("descriptors that a program did not open are not open to it") {
  in_thread([] {
    REQUIRE(alive());
    for (int fd = 500; fd < 2000; ++fd) {
      errno = 0;
      CHECK(fcntl(fd, F_GETFD) == -1);
      CHECK(errno == EBADF);
      if (errno != EBADF) break;
    }
  });
}
