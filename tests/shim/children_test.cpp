// Waiting for children in fibers: system, popen, posix_spawn, fork and the wait family park only their fiber and say what the kernel says.
#include <doctest/doctest.h>

#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <cstdlib>
#include <vector>

#include "interrupted.hpp"
#include "weft/cancel.hpp"
#include "weft/patch.hpp"
#include "weft/testing.hpp"

extern char** environ;

using namespace weft_test;
using namespace std::chrono_literals;

namespace {

std::uint64_t parks() { return weft::this_hub().stats().parks; }

void patch() {
  weft::patch_all();
  REQUIRE(weft::patch_info().sites_patched > 0);
}

// A child that lives until the pipe's writing end is closed, then exits with `code`.
struct held_child {
  explicit held_child(int code) {
    if (pipe2(fds, O_CLOEXEC) != 0) std::abort();
    pid = fork();
    if (pid != 0) return;
    close(fds[1]);
    char c;
    while (read(fds[0], &c, 1) < 0) {
    }
    _exit(code);
  }
  ~held_child() {
    release();
    close(fds[0]);
  }
  void release() {
    if (fds[1] >= 0) close(fds[1]);
    fds[1] = -1;
  }
  int fds[2];
  pid_t pid;
};

std::string told(pid_t got, int status) {
  if (got < 0) return strerrorname_np(errno);
  if (WIFEXITED(status)) return "exit " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  if (WIFSTOPPED(status)) return "stopped " + std::to_string(WSTOPSIG(status));
  return WIFCONTINUED(status) ? "continued" : "?";
}

std::string wait_for(pid_t pid, int options = 0) {
  int status = -1;
  const pid_t got = waitpid(pid, &status, options);
  return told(got, status);
}

}  // namespace

TEST_CASE("waitpid for one child parks the fiber, and others go on") {
  patch();
  held_child child(7);
  auto waiting = weft::spawn([&] { return wait_for(child.pid); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  child.release();
  CHECK(waiting.get() == "exit 7");
  CHECK(wait_for(child.pid) == "ECHILD");
}

TEST_CASE("a wait for any child, and one for a group, park too") {
  patch();
  for (const pid_t whom : {pid_t{-1}, pid_t{0}}) {
    CAPTURE(whom);
    held_child child(3);
    auto waiting = weft::spawn([&] { return wait_for(whom); });
    auto second = weft::spawn([&] { return wait_for(whom); });
    weft::testing::wait_all_blocked();
    CHECK_FALSE(waiting.done());
    child.release();
    const std::string a = waiting.get(), b = second.get();
    CHECK(((a == "exit 3" && b == "ECHILD") || (b == "exit 3" && a == "ECHILD")));
  }
}

TEST_CASE("stops and continuations are told as they are asked for") {
  patch();
  held_child child(0);
  auto waiting = weft::spawn([&] {
    std::string all = wait_for(child.pid, WUNTRACED);
    kill(child.pid, SIGCONT);
    all += ", " + wait_for(child.pid, WCONTINUED);
    kill(child.pid, SIGKILL);
    return all + ", " + wait_for(child.pid, __WALL);
  });
  weft::testing::wait_all_blocked();
  kill(child.pid, SIGSTOP);
  CHECK(waiting.get() == "stopped 19, continued, signal 9");
}

TEST_CASE("waitid tells what the kernel tells, by pid and by pidfd") {
  patch();
  for (const bool by_fd : {false, true}) {
    CAPTURE(by_fd);
    held_child child(5);
    const int fd = by_fd ? static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)) : -1;
    auto waiting = weft::spawn([&] {
      siginfo_t info{};
      rusage used{};
      std::memset(&used, 0x55, sizeof used);
      const long got = syscall(SYS_waitid, by_fd ? 3 : P_PID, by_fd ? fd : child.pid, &info, WEXITED, &used);
      return std::to_string(got) + " " + std::to_string(info.si_pid == child.pid) + " " + std::to_string(info.si_status) + " " +
             std::to_string(info.si_code == CLD_EXITED) + " " + std::to_string(info.si_signo == SIGCHLD) + " " +
             std::to_string(used.ru_maxrss > 0 && used.ru_maxrss < 1 << 30);
    });
    weft::testing::wait_all_blocked();
    CHECK_FALSE(waiting.done());
    child.release();
    CHECK(waiting.get() == "0 1 5 1 1 1");
    if (fd >= 0) close(fd);
  }
}

TEST_CASE("system, popen with pclose, and posix_spawn with waitpid run side by side") {
  patch();
  const auto before = parks();
  // Each child says that it is there, and none ends before all are: one after the other they would never come to their end.
  char folder[] = "/tmp/weft-children-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string go = std::string(folder) + "/go";
  const auto met = [&](int number) {
    return "touch " + std::string(folder) + "/" + std::to_string(number) + "; while ! test -e " + go + "; do sleep 0.02; done; ";
  };
  std::vector<weft::fiber<std::string>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(weft::spawn([&, i] { return told(1, std::system((met(i) + "exit " + std::to_string(i)).c_str())); }));
    all.push_back(weft::spawn([&, i] {
      FILE* f = popen((met(i + 4) + "echo text").c_str(), "r");
      char line[16] = "";
      if (fgets(line, sizeof line, f) == nullptr) return std::string("nothing");
      line[std::strcspn(line, "\n")] = 0;
      return line + std::to_string(i) + told(1, pclose(f));
    }));
    all.push_back(weft::spawn([&, i] {
      const std::string script = met(i + 8);
      const char* words[] = {"sh", "-c", script.c_str(), nullptr};
      pid_t pid;
      if (posix_spawnp(&pid, "sh", nullptr, nullptr, const_cast<char**>(words), environ) != 0) return std::string("not spawned");
      return wait_for(pid);
    }));
  }
  for (int i = 0; i < 12; ++i)
    while (access((std::string(folder) + "/" + std::to_string(i)).c_str(), F_OK) != 0) usleep(5000);
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  for (int i = 0; i < 4; ++i) {
    const auto at = static_cast<std::size_t>(i) * 3;
    CHECK(all[at].get() == "exit " + std::to_string(i));
    CHECK(all[at + 1].get() == "text" + std::to_string(i) + "exit 0");
    CHECK(all[at + 2].get() == "exit 0");
  }
  CHECK(parks() - before >= 12);
  CHECK(std::system(("rm -r " + std::string(folder)).c_str()) == 0);
}

TEST_CASE("a wait for a child ends with EINTR or is made again, as its handler says") {
  patch();
  for (const bool any : {false, true})
    for (const bool again : {true, false}) {
      CAPTURE(any);
      CAPTURE(again);
      install(SIGUSR1, again ? SA_RESTART : 0);
      for (const bool in_fiber : {false, true}) {
        CAPTURE(in_fiber);
        held_child child(9);
        const interruption i{[&] { return wait_for(any ? -1 : child.pid); }, [](pthread_t t) { pthread_kill(t, SIGUSR1); },
                             [&] {
                               if (again) child.release();
                             }};
        CHECK(interrupted(i, in_fiber) == (again ? "exit 9, handlers ran 1" : "EINTR, handlers ran 1"));
        if (!again) {
          child.release();
          CHECK(wait_for(child.pid) == "exit 9");
        }
      }
    }
}

TEST_CASE("a cancelled wait leaves the child to be waited for") {
  patch();
  held_child child(4);
  auto waiting = weft::spawn([&] {
    std::string got;
    weft::move_on_after(20ms, [&] { got = wait_for(child.pid); });
    return got;
  });
  CHECK(waiting.get() == "ECANCELED");
  child.release();
  CHECK(wait_for(child.pid) == "exit 4");
}

TEST_CASE("with SIGCHLD ignored a wait lasts until the children are gone, and finds none") {
  patch();
  std::signal(SIGCHLD, SIG_IGN);
  held_child child(0);
  auto waiting = weft::spawn([&] { return wait_for(child.pid); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  child.release();
  CHECK(waiting.get() == "ECHILD");
  std::signal(SIGCHLD, SIG_DFL);
}

TEST_CASE("a fiber that forks goes on in the child as itself") {
  patch();
  auto forking = weft::spawn([] {
    weft::this_fiber::yield();
    const pid_t pid = fork();
    if (pid == 0) {
      // A timer and a pipe: the child's own poller serves both.
      usleep(1000);
      const int inner = std::system("exit 6");
      _exit(WEXITSTATUS(inner) + 1);
    }
    return wait_for(pid);
  });
  CHECK(forking.get() == "exit 7");
}

TEST_CASE("a forked child that exits writes its buffers, ends at once, and leaves the parent's fibers waiting") {
  patch();
  int ends[2], never[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  REQUIRE(pipe2(never, O_CLOEXEC) == 0);
  auto sibling = weft::spawn([&] {
    char c;
    return read(never[0], &c, 1);
  });
  weft::testing::wait_all_blocked();
  auto forking = weft::spawn([&] {
    FILE* out = fdopen(dup(ends[1]), "w");
    const pid_t pid = fork();
    if (pid == 0) {
      std::fputs("from the child", out);
      std::exit(5);
    }
    std::fclose(out);
    return wait_for(pid);
  });
  CHECK(forking.get() == "exit 5");
  close(ends[1]);
  char text[64] = "";
  CHECK(read(ends[0], text, sizeof text) == 14);
  CHECK(std::string(text) == "from the child");
  CHECK(read(ends[0], text, sizeof text) == 0);
  CHECK_FALSE(sibling.done());
  CHECK(write(never[1], "x", 1) == 1);
  CHECK(sibling.get() == 1);
  for (const int fd : {ends[0], never[0], never[1]}) close(fd);
}

TEST_CASE("a forked child's own process end is main's, when main forks") {
  patch();
  auto sibling = weft::spawn([] { weft::this_fiber::sleep_for(1h); });
  weft::testing::wait_all_blocked();
  const pid_t pid = fork();
  if (pid == 0) std::exit(8);
  CHECK(wait_for(pid) == "exit 8");
  CHECK_FALSE(sibling.done());
  sibling.kill();
}
