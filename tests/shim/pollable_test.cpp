// Every kind of descriptor that knows readiness, read and polled by libc calls in fibers: the fiber parks, and gets the kernel's words.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"
#include "weft/testing.hpp"

namespace {

struct active {
  active() {
    static const weft::patch_result patched = weft::patch_all();
    REQUIRE(patched.sites_patched > 0);
    before = weft::this_hub().stats().parks;
  }
  ~active() { CHECK(weft::this_hub().stats().parks > before + 1); }
  std::uint64_t before;
};

// A reader and a poller park on the descriptor; `act` makes it readable once for each; both come back.
template <class Read>
void both_park(int fd, Read read, std::function<void()> act) {
  auto polling = weft::spawn([&] {
    pollfd p{fd, POLLIN, 0};
    const int n = ::poll(&p, 1, -1);
    return n * 1000 + p.revents;
  });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(polling.done());
  act();
  CHECK(polling.get() == 1000 + POLLIN);
  read();
  auto reading = weft::spawn(read);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(reading.done());
  act();
  reading.get();
}

std::string word(int fd, std::size_t most = 64) {
  char text[64];
  const ssize_t n = ::read(fd, text, most);
  return n < 0 ? std::string("errno ") + std::to_string(errno) : std::string(text, static_cast<std::size_t>(n));
}

}  // namespace

TEST_CASE("eventfd: counters, semaphores, a write that waits for room") {
  active on;
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  std::uint64_t n = 0;
  both_park(fd, [&] { CHECK(::read(fd, &n, 8) == 8); }, [&] { CHECK(::eventfd_write(fd, 7) == 0); });
  CHECK(n == 7);
  CHECK(::read(fd, &n, 4) == -1);
  CHECK(errno == EINVAL);
  CHECK(::eventfd_write(fd, ~std::uint64_t{0} - 1) == 0);
  auto writing = weft::spawn([&] { return ::eventfd_write(fd, 5); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(writing.done());
  CHECK(::read(fd, &n, 8) == 8);
  CHECK(writing.get() == 0);
  CHECK(::read(fd, &n, 8) == 8);
  CHECK(n == 5);
  const int semaphore = ::eventfd(2, EFD_CLOEXEC | EFD_SEMAPHORE);
  CHECK(::read(semaphore, &n, 8) == 8);
  CHECK(n == 1);
  CHECK(::read(semaphore, &n, 8) == 8);
  CHECK(n == 1);
  auto third = weft::spawn([&] { return ::read(semaphore, &n, 8); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(third.done());
  ::eventfd_write(semaphore, 1);
  CHECK(third.get() == 8);
  ::close(fd);
  ::close(semaphore);
}

TEST_CASE("timerfd: expirations are counted") {
  active on;
  const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const itimerspec once{{0, 0}, {0, 2'000'000}};
  std::uint64_t n = 0;
  both_park(fd, [&] { CHECK(::read(fd, &n, 8) == 8); }, [&] { CHECK(::timerfd_settime(fd, 0, &once, nullptr) == 0); });
  CHECK(n == 1);
  const itimerspec past{{0, 1'000'000}, {0, 1}};
  ::timerfd_settime(fd, 0, &past, nullptr);
  ::usleep(5000);
  CHECK(::read(fd, &n, 8) == 8);
  CHECK(n >= 5);
  ::close(fd);
}

TEST_CASE("signalfd: a blocked signal is read") {
  active on;
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  ::sigprocmask(SIG_BLOCK, &set, &old);
  const int fd = ::signalfd(-1, &set, SFD_CLOEXEC);
  signalfd_siginfo info{};
  both_park(fd, [&] { CHECK(::read(fd, &info, sizeof info) == sizeof info); }, [] { ::raise(SIGUSR2); });
  CHECK(info.ssi_signo == SIGUSR2);
  CHECK(info.ssi_pid == static_cast<std::uint32_t>(::getpid()));
  ::close(fd);
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
}

TEST_CASE("inotify: events of a folder, a buffer that is too small") {
  active on;
  char folder[] = "/tmp/weft-inotify-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  const std::string file = std::string(folder) + "/made";
  const int fd = ::inotify_init1(IN_CLOEXEC);
  REQUIRE(::inotify_add_watch(fd, folder, IN_CREATE | IN_DELETE) >= 0);
  alignas(inotify_event) char space[512];
  const auto act = [&] {
    if (::unlink(file.c_str()) != 0) ::close(::open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  };
  std::uint32_t seen = 0;
  const auto read = [&] {
    const ssize_t n = ::read(fd, space, sizeof space);
    CHECK(n >= static_cast<ssize_t>(sizeof(inotify_event)));
    const auto* e = reinterpret_cast<const inotify_event*>(space);
    CHECK(std::string(e->name) == "made");
    seen |= e->mask;
  };
  both_park(fd, read, act);
  CHECK(seen == (IN_CREATE | IN_DELETE));
  act();
  CHECK(::read(fd, space, 4) == -1);
  CHECK(errno == EINVAL);
  ::close(fd);
  ::unlink(file.c_str());
  ::rmdir(folder);
}

TEST_CASE("pidfd: polled until the child ends, then waited for") {
  active on;
  int go[2];
  REQUIRE(::pipe(go) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    char byte;
    ::_exit(::read(go[0], &byte, 1) == 1 ? 9 : 1);
  }
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  REQUIRE(fd >= 0);
  const auto wait = [&] {
    pollfd p{fd, POLLIN, 0};
    CHECK(::poll(&p, 1, -1) == 1);
    CHECK((p.revents & POLLIN) != 0);
  };
  auto one = weft::spawn(wait), two = weft::spawn(wait);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(one.done());
  CHECK(::write(go[1], "x", 1) == 1);
  one.get();
  two.get();
  siginfo_t info{};
  CHECK(::waitid(P_PIDFD, static_cast<id_t>(fd), &info, WEXITED) == 0);
  CHECK(info.si_status == 9);
  for (const int f : {fd, go[0], go[1]}) ::close(f);
}

TEST_CASE("FIFOs: data, end of file when the last writer goes, a second life") {
  active on;
  char folder[] = "/tmp/weft-fifo-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int in = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  int out = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ::fcntl(in, F_SETFL, 0);
  std::string got;
  both_park(in, [&] { got = word(in); }, [&] { CHECK(::write(out, "word", 4) == 4); });
  CHECK(got == "word");
  auto ending = weft::spawn([&] { return word(in); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(ending.done());
  ::close(out);
  CHECK(ending.get() == "");
  pollfd hung_up{in, POLLIN, 0};
  CHECK(::poll(&hung_up, 1, -1) == 1);
  CHECK((hung_up.revents & POLLHUP) != 0);
  out = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  auto again = weft::spawn([&] { return word(in); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(again.done());
  CHECK(::write(out, "more", 4) == 4);
  CHECK(again.get() == "more");
  ::close(in);
  ::close(out);
  ::unlink(path.c_str());
  ::rmdir(folder);
}

TEST_CASE("a terminal: lines, end of file by a key, hang-up") {
  active on;
  int master, slave;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  termios mode{};
  ::tcgetattr(slave, &mode);
  mode.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(slave, TCSANOW, &mode);
  std::string line;
  both_park(slave, [&] { line = word(slave); }, [&] { CHECK(::write(master, "line\n", 5) == 5); });
  CHECK(line == "line\n");
  // Half a line is not a line.
  auto half = weft::spawn([&] { return word(slave); });
  CHECK(::write(master, "ha", 2) == 2);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(half.done());
  CHECK(::write(master, "lf\n", 3) == 3);
  CHECK(half.get() == "half\n");
  auto end = weft::spawn([&] { return word(slave); });
  weft::testing::wait_all_blocked();
  CHECK(::write(master, "\4", 1) == 1);
  CHECK(end.get() == "");
  auto from_master = weft::spawn([&] { return word(master); });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(from_master.done());
  CHECK(::write(slave, "out", 3) == 3);
  CHECK(from_master.get() == "out");
  auto gone = weft::spawn([&] { return word(master); });
  weft::testing::wait_all_blocked();
  ::close(slave);
  CHECK(gone.get() == "errno " + std::to_string(EIO));
  ::close(master);
}
