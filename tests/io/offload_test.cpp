// Calls without readiness: made by io_uring or by threads of Weft's own, while other fibers run.
#include <doctest/doctest.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "core/hub.hpp"
#include "io/offload.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::io::call_of;
using weft::io::offload_call;
using weft::io::offload_kind;

namespace {

weft::detail::hub& hub() { return weft::detail::current_hub(); }

long brief(offload_call call, bool ring = true) {
  call.by_ring = call.by_ring && ring;
  return weft::io::offload(hub(), call, weft::detail::never, "test", offload_kind::brief);
}
long waits(const offload_call& call, weft::detail::nanos deadline = weft::detail::never) {
  return weft::io::offload(hub(), call, deadline, "test", offload_kind::waits);
}

struct temporary_file {
  temporary_file() {
    char name[] = "/tmp/weft-offload-XXXXXX";
    fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    path = name;
  }
  ~temporary_file() {
    ::close(fd);
    ::unlink(path.c_str());
  }
  int fd;
  std::string path;
};

// A lock that another open file holds: flock on `mine` waits.
struct locked_elsewhere {
  locked_elsewhere() {
    other = ::open(file.path.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(::flock(other, LOCK_EX) == 0);
  }
  ~locked_elsewhere() { ::close(other); }
  temporary_file file;
  int other;
};

int tasks() {
  int n = 0;
  DIR* d = ::opendir("/proc/self/task");
  while (const dirent* e = ::readdir(d)) n += e->d_name[0] != '.';
  ::closedir(d);
  return n;
}

}  // namespace

TEST_CASE("a call gives what it would give without Weft, by ring and by thread") {
  temporary_file f;
  REQUIRE(::write(f.fd, "0123456789", 10) == 10);
  for (const bool ring : {true, false}) {
    char got[4] = {};
    CHECK(brief(call_of(SYS_pread64, f.fd, got, 3, 4), ring) == 3);
    CHECK(std::string(got) == "456");
    CHECK(brief(call_of(SYS_fsync, f.fd), ring) == 0);
    CHECK(brief(call_of(SYS_fdatasync, -1), ring) == -EBADF);
    CHECK(brief(call_of(SYS_pread64, f.fd, 8, 3, 0), ring) == -EFAULT);
    CHECK(brief(call_of(SYS_pread64, f.fd, got, 3, -5), ring) == -EINVAL);
    CHECK(brief(call_of(SYS_pwrite64, f.fd, "ab", 2, 8), ring) == 2);
    CHECK(brief(call_of(SYS_ftruncate, f.fd, 9), ring) == 0);
    CHECK(brief(call_of(SYS_fallocate, f.fd, 0, 0, 100), ring) == 0);
    struct stat st;
    REQUIRE(::fstat(f.fd, &st) == 0);
    CHECK(st.st_size == 100);
    REQUIRE(::ftruncate(f.fd, 10) == 0);
    const long fd = brief(call_of(SYS_openat, AT_FDCWD, f.path.c_str(), O_RDONLY | O_CLOEXEC, 0), ring);
    CHECK(fd >= 0);
    ::close(static_cast<int>(fd));
    CHECK(brief(call_of(SYS_openat, AT_FDCWD, "/nowhere/at/all", O_RDONLY, 0), ring) == -ENOENT);
    CHECK(brief(call_of(SYS_openat, AT_FDCWD, 8, O_RDONLY, 0), ring) == -EFAULT);
    const std::string other = f.path + ".other";
    CHECK(brief(call_of(SYS_linkat, AT_FDCWD, f.path.c_str(), AT_FDCWD, other.c_str(), 0), ring) == 0);
    CHECK(brief(call_of(SYS_renameat2, AT_FDCWD, other.c_str(), AT_FDCWD, (other + "2").c_str(), 0), ring) == 0);
    CHECK(brief(call_of(SYS_unlinkat, AT_FDCWD, (other + "2").c_str(), 0), ring) == 0);
    CHECK(brief(call_of(SYS_symlinkat, "target", AT_FDCWD, other.c_str()), ring) == 0);
    CHECK(brief(call_of(SYS_unlinkat, AT_FDCWD, other.c_str(), 0), ring) == 0);
    CHECK(brief(call_of(SYS_mkdirat, AT_FDCWD, other.c_str(), 0700), ring) == 0);
    CHECK(brief(call_of(SYS_unlinkat, AT_FDCWD, other.c_str(), AT_REMOVEDIR), ring) == 0);
  }
}

TEST_CASE("other fibers run while one waits for a lock, and it gets the lock") {
  locked_elsewhere l;
  auto waiter = weft::spawn([&] { return waits(call_of(SYS_flock, l.file.fd, LOCK_EX)); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiter.done());
  int turns = 0;
  weft::spawn([&] {
    for (int i = 0; i < 10; ++i, ++turns) weft::this_fiber::yield();
  }).join();
  CHECK(turns == 10);
  CHECK_FALSE(waiter.done());
  ::flock(l.other, LOCK_UN);
  CHECK(waiter.get() == 0);
}

TEST_CASE("a deadline ends a call that waits, and the kernel has let go of it") {
  locked_elsewhere l;
  CHECK(waits(call_of(SYS_flock, l.file.fd, LOCK_EX), weft::detail::now(hub()) + 5'000'000) == weft::io::timed_out);
  // Had the wait gone on, it would take the lock now.
  ::flock(l.other, LOCK_UN);
  CHECK(::flock(l.other, LOCK_EX | LOCK_NB) == 0);
}

TEST_CASE("cancellation ends calls that wait, whichever way the kernel restarts them") {
  locked_elsewhere l;
  const int queue = ::msgget(IPC_PRIVATE, 0600);
  REQUIRE(queue >= 0);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  char message[64], byte;
  const offload_call calls[] = {
      call_of(SYS_flock, l.file.fd, LOCK_EX),
      call_of(SYS_msgrcv, queue, message, 8, 0, 0),
      call_of(SYS_read, ends[0], &byte, 1),
      call_of(SYS_pause),
  };
  for (const offload_call& call : calls) {
    for (int round = 0; round < 50; ++round) {
      long result = 0;
      auto f = weft::spawn([&] { result = waits(call); });
      // Both before the thread has come to the call and while it stands in it.
      if (round % 2 == 0) weft::testing::wait_all_blocked();
      else weft::this_fiber::yield();
      f.cancel();
      f.join();
      REQUIRE(result == weft::io::ended_by(weft::detail::wake::cancelled));
    }
  }
  ::msgctl(queue, IPC_RMID, nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a call that is over before its cancellation gives its result") {
  temporary_file f;
  REQUIRE(::write(f.fd, "x", 1) == 1);
  for (int i = 0; i < 20; ++i) {
    long result = -1;
    auto fiber = weft::spawn([&] { result = brief(call_of(SYS_fsync, f.fd), i % 2 == 0); });
    weft::this_fiber::yield();
    fiber.cancel();
    fiber.join();
    CHECK((result == 0 || result == weft::io::ended_by(weft::detail::wake::cancelled)));
  }
}

TEST_CASE("what is due for a fiber is told before its call begins") {
  temporary_file f;
  weft::spawn([&] {
    weft::cancel_scope scope;
    scope.cancel();
    scope.run([&] { CHECK(brief(call_of(SYS_ftruncate, f.fd, 77)) == weft::io::ended_by(weft::detail::wake::cancelled)); });
  }).join();
  struct stat st;
  REQUIRE(::fstat(f.fd, &st) == 0);
  CHECK(st.st_size == 0);
}

TEST_CASE("more brief calls than threads queue, and queued ones can be cancelled") {
  // Each stands in a FIFO's open until the end: brief only in name.
  std::vector<weft::fiber<void>> fibers;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  std::vector<char> bytes(100);
  int over = 0;
  for (char& b : bytes) fibers.push_back(weft::spawn([&] { over += brief(call_of(SYS_read, ends[0], &b, 1)) == 1; }));
  weft::testing::wait_all_blocked();
  CHECK(tasks() < 80);
  fibers.back().cancel();
  fibers.back().join();
  CHECK(over == 0);
  REQUIRE(::write(ends[1], std::string(99, 'b').data(), 99) == 99);
  for (auto& f : fibers) f.join();
  CHECK(over == 99);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("signals of the program are not for offload threads") {
  static volatile sig_atomic_t where = 0;
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { where = static_cast<int>(::gettid()); };
  ::sigaction(SIGUSR1, &action, &before);
  locked_elsewhere l;
  auto f = weft::spawn([&] { return waits(call_of(SYS_flock, l.file.fd, LOCK_EX)); });
  weft::testing::wait_all_blocked();
  for (int i = 0; i < 20; ++i) ::kill(::getpid(), SIGUSR1);
  CHECK(where == ::gettid());
  ::flock(l.other, LOCK_UN);
  CHECK(f.get() == 0);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("a broken pipe's signal reaches the thread of the hub") {
  static volatile sig_atomic_t seen = 0;
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { seen = static_cast<int>(::gettid()); };
  ::sigaction(SIGPIPE, &action, &before);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  ::close(ends[0]);
  CHECK(brief(call_of(SYS_write, ends[1], "x", 1)) == -EPIPE);
  CHECK(seen == ::gettid());
  ::close(ends[1]);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("in a forked child calls that wait go on, with threads and a ring of its own") {
  locked_elsewhere l;
  temporary_file data;
  REQUIRE(::write(data.fd, "d", 1) == 1);
  CHECK(brief(call_of(SYS_fsync, data.fd)) == 0);
  auto f = weft::spawn([&] { return waits(call_of(SYS_flock, l.file.fd, LOCK_EX)); });
  weft::testing::wait_all_blocked();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(50);
    bool right = brief(call_of(SYS_fsync, data.fd)) == 0 && !f.done();
    // The parent's copy of the locked file: the lock is the open file's, so letting it go here lets it go.
    ::flock(l.other, LOCK_UN);
    right = right && f.get() == 0;
    ::_exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(f.get() == 0);
}

TEST_CASE("text can be rewritten while offload threads and io_uring's workers stand in calls") {
  locked_elsewhere l;
  temporary_file data;
  auto f = weft::spawn([&] { return waits(call_of(SYS_flock, l.file.fd, LOCK_EX)); });
  CHECK(brief(call_of(SYS_fsync, data.fd)) == 0);
  weft::testing::wait_all_blocked();
  CHECK_NOTHROW(weft::patch_all());
  CHECK_FALSE(f.done());
  ::flock(l.other, LOCK_UN);
  CHECK(f.get() == 0);
}

TEST_CASE("a hub that ends gives its ring back") {
  temporary_file data;
  const auto open_files = [] {
    int n = 0;
    DIR* d = ::opendir("/proc/self/fd");
    while (::readdir(d) != nullptr) ++n;
    ::closedir(d);
    return n;
  };
  const int before = open_files();
  for (int i = 0; i < 5; ++i)
    std::thread([&] {
      CHECK(brief(call_of(SYS_fsync, data.fd)) == 0);
      CHECK(brief(call_of(SYS_fsync, data.fd), false) == 0);
    }).join();
  CHECK(open_files() == before);
}

TEST_CASE("with nothing left to wait for, idle threads and workers do not hide a deadlock") {
  temporary_file data;
  std::thread([&] {
    CHECK(brief(call_of(SYS_fsync, data.fd)) == 0);
    CHECK(brief(call_of(SYS_fsync, data.fd), false) == 0);
  }).join();
  CHECK(brief(call_of(SYS_fsync, data.fd), false) == 0);
  // The kernel forgets a thread a moment after it lets the join go on.
  while (weft::core::other_threads()) weft::this_fiber::sleep_for(1ms);
  CHECK_FALSE(weft::core::other_threads());
}

TEST_CASE("hubs of several threads make calls at once") {
  temporary_file data;
  REQUIRE(::write(data.fd, "0123456789", 10) == 10);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::vector<weft::fiber<void>> fibers;
      for (int i = 0; i < 20; ++i)
        fibers.push_back(weft::spawn([&, i] {
          for (int k = 0; k < 20; ++k) {
            char c = 0;
            const long n = brief(call_of(SYS_pread64, data.fd, &c, 1, (i + k) % 10), (t + i) % 2 == 0);
            if (n != 1 || c != '0' + (i + k) % 10) ++wrong;
          }
        }));
      for (auto& f : fibers) f.join();
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
}
