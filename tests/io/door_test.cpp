// The handlers behind the rewritten sites, called as a site calls them: what they pass to the kernel and what they answer.
#include <doctest/doctest.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "core/hub.hpp"
#include "io/dispatch.hpp"
#include "io/door.hpp"
#include "site_call.hpp"
#include "sockets.hpp"
#include "sys/syscall.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace weft_test;
namespace io = weft::io;

namespace {

std::string site_get(int fd, std::size_t most = 64) {
  std::string text(most, '\0');
  const long got = site_call(SYS_recvfrom, fd, text.data(), most, 0, 0, 0);
  if (got < 0) return "-" + std::to_string(-got);
  return text.substr(0, static_cast<std::size_t>(got));
}

// A second fiber, so that there is somebody to run meanwhile.
struct companion {
  companion() : f(weft::spawn([] { weft::this_fiber::sleep_for(1000h); })) { weft::testing::wait_all_blocked(); }
  ~companion() { f.kill(); }
  weft::fiber<> f;
};

std::uint64_t parks() { return weft::this_hub().stats().parks; }

}  // namespace

TEST_CASE("alone with its main fiber, a process makes its calls as without Weft") {
  weft::this_hub();
  ends e = unix_pair();
  put(e.b, "x");
  CHECK(site_get(e.a) == "x");
  CHECK(site_passed);
  timespec none{0, 1};
  CHECK(site_call(SYS_nanosleep, &none, nullptr) == 0);
  CHECK(site_passed);
}

TEST_CASE("with company a read through a site parks") {
  companion c;
  for (const bool tcp : {true, false}) {
    ends e = tcp ? tcp_pair() : unix_pair();
    auto reader = weft::spawn([&] { return site_get(e.a); });
    weft::testing::wait_all_blocked();
    put(e.b, "hello");
    CHECK(reader.get() == "hello");
    CHECK_FALSE(site_passed);
  }
  ends p = pipe_pair();
  char byte = 0;
  auto reader = weft::spawn([&] { return site_call(SYS_read, int{p.a}, &byte, 1); });
  weft::testing::wait_all_blocked();
  CHECK(site_call(SYS_write, int{p.b}, "p", 1) == 1);
  CHECK(reader.get() == 1);
  CHECK(byte == 'p');
}

TEST_CASE("files in memory are the kernel's, those on disk are not") {
  companion c;
  const int memory = ::memfd_create("weft", 0);
  CHECK(site_call(SYS_write, memory, "abc", 3) == 3);
  CHECK(site_passed);
  site_call(SYS_close, memory);
  FILE* file = std::tmpfile();
  char text[4];
  CHECK(site_call(SYS_write, fileno(file), "abc", 3) == 3);
  CHECK_FALSE(site_passed);
  CHECK(site_call(SYS_read, fileno(file), text, 3) == 0);
  CHECK_FALSE(site_passed);
  site_call(SYS_close, ::dup(fileno(file)));
  std::fclose(file);
}

TEST_CASE("a non-blocking descriptor answers EAGAIN at once, until its flags change") {
  companion c;
  for (const bool tcp : {true, false}) {
    ends e = tcp ? tcp_pair() : unix_pair();
    REQUIRE(site_call(SYS_fcntl, int{e.a}, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
    const auto before = parks();
    CHECK(site_get(e.a) == "-" + std::to_string(EAGAIN));
    put(e.b, "x");
    CHECK(site_get(e.a) == "x");
    CHECK(site_get(e.a) == "-" + std::to_string(EAGAIN));
    CHECK(parks() == before);
    REQUIRE(site_call(SYS_fcntl, int{e.a}, F_SETFL, O_RDWR) == 0);
    auto reader = weft::spawn([&] { return site_get(e.a); });
    weft::testing::wait_all_blocked();
    put(e.b, "y");
    CHECK(reader.get() == "y");
    int on = 1;
    REQUIRE(site_call(SYS_ioctl, int{e.a}, FIONBIO, &on) == 0);
    CHECK(site_get(e.a) == "-" + std::to_string(EAGAIN));
  }
}

TEST_CASE("O_NONBLOCK set through a duplicate counts for the descriptor too") {
  companion c;
  ends e = unix_pair();
  auto reader = weft::spawn([&] { return site_get(e.a); });
  weft::testing::wait_all_blocked();
  put(e.b, "x");
  reader.get();
  owned_fd same(static_cast<int>(site_call(SYS_dup, int{e.a})));
  REQUIRE(site_call(SYS_fcntl, int{same}, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
  CHECK(site_get(e.a) == "-" + std::to_string(EAGAIN));
}

TEST_CASE("SO_RCVTIMEO ends a wait with EAGAIN, and is looked at anew when it is set anew") {
  companion c;
  weft::testing::virtual_clock clock;
  ends e = tcp_pair();
  const timeval limit{2, 500'000};
  REQUIRE(site_call(SYS_setsockopt, int{e.a}, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  CHECK(site_get(e.a) == "-" + std::to_string(EAGAIN));
  CHECK(clock.elapsed() == 2500ms);
  put(e.b, "x");
  CHECK(site_get(e.a) == "x");
  const timeval shorter{1, 0};
  REQUIRE(site_call(SYS_setsockopt, int{e.a}, SOL_SOCKET, SO_RCVTIMEO, &shorter, sizeof shorter) == 0);
  CHECK(site_get(e.a) == "-" + std::to_string(EAGAIN));
  CHECK(clock.elapsed() == 3500ms);
  listener l;
  REQUIRE(site_call(SYS_setsockopt, int{l.fd}, SOL_SOCKET, SO_RCVTIMEO, &shorter, sizeof shorter) == 0);
  CHECK(site_call(SYS_accept, int{l.fd}, nullptr, nullptr) == -EAGAIN);
  CHECK(clock.elapsed() == 4500ms);
}

TEST_CASE("SO_SNDTIMEO gives a part when one was sent, else EAGAIN") {
  companion c;
  weft::testing::virtual_clock clock;
  ends e = unix_pair();
  const std::string data = many_bytes();
  const timeval limit{1, 0};
  REQUIRE(site_call(SYS_setsockopt, int{e.a}, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
  const long sent = site_call(SYS_sendto, int{e.a}, data.data(), data.size(), 0, 0, 0);
  CHECK(sent > 0);
  CHECK(sent < static_cast<long>(data.size()));
  CHECK(clock.elapsed() == 1s);
  CHECK(site_call(SYS_write, int{e.a}, data.data(), data.size()) == -EAGAIN);
  CHECK(clock.elapsed() == 2s);
}

TEST_CASE("a connect that SO_SNDTIMEO ends says EINPROGRESS; a non-blocking one is the program's own") {
  companion c;
  listener l(0);
  weft::testing::virtual_clock clock;
  const timeval limit{3, 0};
  std::vector<owned_fd> fill;
  long got = 0;
  for (int i = 0; i < 8 && got == 0; ++i) {
    fill.emplace_back(weft::socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(site_call(SYS_setsockopt, int{fill.back()}, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    got = site_call(SYS_connect, int{fill.back()}, &l.address, sizeof l.address);
  }
  CHECK(got == -EINPROGRESS);
  CHECK(clock.elapsed() == 3s);
  owned_fd quick(weft::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CHECK(site_call(SYS_connect, int{quick}, &l.address, sizeof l.address) == -EINPROGRESS);
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("a cancelled wait fails with ECANCELED, again and again") {
  ends e = tcp_pair(), p = pipe_pair();
  std::vector<long> results;
  auto waiting = weft::spawn([&] {
    char byte;
    timespec second{1, 0};
    pollfd fd{p.a, POLLIN, 0};
    results.push_back(site_call(SYS_recvfrom, int{e.a}, &byte, 1, 0, 0, 0));
    results.push_back(site_call(SYS_read, int{p.a}, &byte, 1));
    results.push_back(site_call(SYS_nanosleep, &second, nullptr));
    results.push_back(site_call(SYS_poll, &fd, 1, -1));
    put(e.b, "x");
    results.push_back(site_call(SYS_recvfrom, int{e.a}, &byte, 1, 0, 0, 0));  // need not wait: succeeds
    results.push_back(site_call(SYS_close, int{p.b.release()}));               // never cancelled
  });
  weft::testing::wait_all_blocked();
  waiting.cancel();
  waiting.join();
  CHECK(results == std::vector<long>{-ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED, 1, 0});
}

TEST_CASE("sleeps follow the hub's clock and refuse what the kernel refuses") {
  companion c;
  weft::testing::virtual_clock clock;
  timespec t{1, 500'000'000};
  CHECK(site_call(SYS_nanosleep, &t, nullptr) == 0);
  CHECK(clock.elapsed() == 1500ms);
  CHECK(site_call(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &t, nullptr) == 0);
  CHECK(clock.elapsed() == 3s);
  CHECK(site_call(SYS_nanosleep, 8, nullptr) == -EFAULT);
  t.tv_nsec = 1'000'000'000;
  CHECK(site_call(SYS_nanosleep, &t, nullptr) == -EINVAL);
  t = {-1, 0};
  CHECK(site_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, nullptr) == -EINVAL);
  t = {1, 0};  // long past
  CHECK(site_call(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &t, nullptr) == 0);
  CHECK(clock.elapsed() == 3s);
  CHECK(site_call(SYS_clock_nanosleep, 77, 0, &t, nullptr) == -EINVAL);
}

TEST_CASE("sched_yield lets others run") {
  int turns = 0;
  auto other = weft::spawn([&] { ++turns; });
  CHECK(site_call(SYS_sched_yield) == 0);
  CHECK(turns == 1);
}

TEST_CASE("ppoll and pselect6 time out exactly, give back what is left, refuse bad memory") {
  companion c;
  weft::testing::virtual_clock clock;
  ends e = unix_pair();
  pollfd fd{e.a, POLLIN, 0};
  timespec limit{2, 0};
  CHECK(site_call(SYS_ppoll, &fd, 1, &limit, nullptr, 8) == 0);
  CHECK(clock.elapsed() == 2s);
  CHECK(limit.tv_sec == 0);
  CHECK(site_call(SYS_ppoll, &fd, 1, 8, nullptr, 8) == -EFAULT);
  limit = {0, -1};
  CHECK(site_call(SYS_ppoll, &fd, 1, &limit, nullptr, 8) == -EINVAL);
  fd_set in;
  FD_ZERO(&in);
  FD_SET(e.a, &in);
  limit = {1, 0};
  CHECK(site_call(SYS_pselect6, e.a + 1, &in, nullptr, nullptr, &limit, nullptr) == 0);
  CHECK_FALSE(FD_ISSET(e.a, &in));
  CHECK(clock.elapsed() == 3s);
  CHECK(site_call(SYS_pselect6, e.a + 1, 8, nullptr, nullptr, &limit, nullptr) == -EFAULT);
  CHECK(site_call(SYS_pselect6, e.a + 1, &in, nullptr, nullptr, &limit, 8) == -EFAULT);
}

TEST_CASE("a signal that only ppoll's mask lets through ends the wait with EINTR") {
  static int handled;
  handled = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { ++handled; };
  struct sigaction before {};
  ::sigaction(SIGUSR1, &action, &before);
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &block, &old);
  companion c;
  ends e = unix_pair();
  const std::uint64_t none = 0;
  auto waiting = weft::spawn([&] {
    pollfd fd{e.a, POLLIN, 0};
    return site_call(SYS_ppoll, &fd, 1, nullptr, &none, 8);
  });
  weft::testing::wait_all_blocked();
  CHECK(handled == 0);
  ::raise(SIGUSR1);
  CHECK(waiting.get() == -EINTR);
  CHECK(handled == 1);
  ::raise(SIGUSR1);  // pending before the call
  struct {
    const void* mask;
    std::size_t size;
  } mask{&none, 8};
  CHECK(site_call(SYS_pselect6, 0, nullptr, nullptr, nullptr, nullptr, &mask) == -EINTR);
  CHECK(handled == 2);
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("dup2 onto a descriptor that is waited on wakes the waiters") {
  companion c;
  ends e = unix_pair(), other = unix_pair();
  auto reader = weft::spawn([&] { return site_get(e.a); });
  weft::testing::wait_all_blocked();
  CHECK(site_call(SYS_dup2, 54321, int{e.a}) == -EBADF);  // changes nothing
  weft::testing::wait_all_blocked();
  CHECK_FALSE(reader.done());
  CHECK(site_call(SYS_dup2, int{other.a}, int{e.a}) == e.a);
  CHECK(reader.get() == "-" + std::to_string(EBADF));
  auto again = weft::spawn([&] { return site_get(e.a); });
  weft::testing::wait_all_blocked();
  put(other.b, "the other's");
  CHECK(again.get() == "the other's");
}

TEST_CASE("close_range and close loops spare Weft's own descriptors") {
  companion c;
  ends e = unix_pair();
  auto reader = weft::spawn([&] { return site_get(e.a); });
  weft::testing::wait_all_blocked();
  const int first = ::dup(e.a);
  for (int fd = first; fd < 1100; ++fd) site_call(SYS_close, fd);
  CHECK(site_call(SYS_close_range, first, ~0u, 0) == 0);
  CHECK_FALSE(reader.done());
  put(e.b, "spared");
  CHECK(reader.get() == "spared");
  auto closed = weft::spawn([&] { return site_get(e.a); });
  weft::testing::wait_all_blocked();
  CHECK(site_call(SYS_close_range, int{e.a}, int{e.a}, 0) == 0);
  CHECK(closed.get() == "-" + std::to_string(EBADF));
  e.a.release();
}

TEST_CASE("after fork the child waits with a poller of its own") {
  companion c;
  ends e = tcp_pair(), mine = unix_pair();
  auto parent_side = weft::spawn([&] { return site_get(mine.a); });
  auto both = weft::spawn([&] { return site_get(e.a); });
  weft::testing::wait_all_blocked();
  const long pid = site_call(SYS_fork);
  REQUIRE(pid >= 0);
  if (pid == 0) {
    // Fibers stay, as gevent's do; the wait that was under way goes on here.
    bool right = both.get() == "for the child";
    auto fresh = weft::spawn([&] { return site_get(e.a); });
    weft::testing::wait_all_blocked();
    weft::close(mine.a.release());
    ::shutdown(e.a, SHUT_RDWR);
    right = right && fresh.get().empty();
    ::_exit(right ? 0 : 1);
  }
  put(e.b, "for the child");
  int status = -1;
  // The parent stays parked until the child is done, so the child's read is the only one.
  REQUIRE(::waitpid(static_cast<pid_t>(pid), &status, 0) == pid);
  CHECK(status == 0);
  put(mine.b, "for the parent");
  CHECK(parent_side.get() == "for the parent");
  CHECK(both.get() == "");
}

TEST_CASE("a child that runs in the parent's memory touches nothing of Weft") {
  companion c;
  ends e = unix_pair();
  put(e.b, "x");
  weft::detail::carrier* carrier = weft::detail::this_carrier();
  carrier->vfork_pid = static_cast<std::uint32_t>(::getpid()) + 1;  // as the child sees its parent's mark
  CHECK(site_get(e.a) == "x");
  CHECK(site_passed);
  carrier->vfork_pid = static_cast<std::uint32_t>(::getpid());  // as the parent sees its own again
  put(e.b, "y");
  CHECK(site_get(e.a) == "y");
  CHECK_FALSE(site_passed);
  CHECK(carrier->vfork_pid == 0);
  const pid_t pid = ::vfork();
  if (pid == 0) ::_exit(7);
  int status = 0;
  ::waitpid(pid, &status, 0);
  CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("what changes files in memory is made at once, by whichever name") {
  char name[] = "/dev/shm/weft-door-XXXXXX";
  struct statfs st;
  if (statfs("/dev/shm", &st) != 0 || st.f_type != TMPFS_MAGIC || mkdtemp(name) == nullptr) {
    MESSAGE("/dev/shm is not in memory here");
    return;
  }
  const companion other;
  const std::string folder = name, first = folder + "/first", second = folder + "/second", sub = folder + "/sub";
  const std::uint64_t before = weft::detail::current_hub().stats.offloads;
  const long at = site_call(SYS_openat, AT_FDCWD, name, O_RDONLY | O_DIRECTORY);
  const long fd = site_call(SYS_openat, AT_FDCWD, first.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  CHECK(at >= 0);
  CHECK(fd >= 0);
  CHECK(site_call(SYS_link, first.c_str(), second.c_str()) == 0);
  CHECK(site_call(SYS_renameat, at, "second", at, "third") == 0);
  CHECK(site_call(SYS_symlink, "third", second.c_str()) == 0);
  CHECK(site_call(SYS_chmod, first.c_str(), 0640) == 0);
  CHECK(site_call(SYS_fchmod, fd, 0600) == 0);
  CHECK(site_call(SYS_mkdir, (sub + "/").c_str(), 0700) == 0);
  CHECK(site_call(SYS_mkdirat, at, "sub/deep", 0700) == 0);
  CHECK(site_call(SYS_unlinkat, at, "sub/deep", AT_REMOVEDIR) == 0);
  CHECK(site_call(SYS_rmdir, sub.c_str()) == 0);
  CHECK(site_call(SYS_unlink, first.c_str()) == 0);
  CHECK(site_call(SYS_unlink, first.c_str()) == -ENOENT);
  CHECK(site_call(SYS_unlinkat, at, "third", 0) == 0);
  CHECK(weft::detail::current_hub().stats.offloads == before);
  // Links may lead anywhere: somebody else removes this one.
  CHECK(site_call(SYS_unlink, second.c_str()) == 0);
  CHECK(weft::detail::current_hub().stats.offloads == before + 1);
  CHECK(site_call(SYS_unlink, nullptr) == -EFAULT);
  CHECK(::close(static_cast<int>(fd)) == 0);
  CHECK(::close(static_cast<int>(at)) == 0);
  CHECK(::rmdir(name) == 0);
}

TEST_CASE("recvmmsg and sendmmsg move several messages") {
  companion c;
  ends e = unix_pair(SOCK_DGRAM);
  char text[3][8] = {"one", "two", "three"};
  iovec parts[3] = {{text[0], 3}, {text[1], 3}, {text[2], 5}};
  mmsghdr messages[3] = {};
  for (int i = 0; i < 3; ++i) {
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  auto reader = weft::spawn([&] {
    char got[3][8] = {};
    iovec into[3] = {{got[0], 8}, {got[1], 8}, {got[2], 8}};
    mmsghdr received[3] = {};
    for (int i = 0; i < 3; ++i) {
      received[i].msg_hdr.msg_iov = &into[i];
      received[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK(site_call(SYS_recvmmsg, int{e.a}, received, 3, 0, nullptr) == 3);
    return std::string(got[0], received[0].msg_len) + got[1] + got[2];
  });
  weft::testing::wait_all_blocked();
  CHECK(site_call(SYS_sendmmsg, int{e.b}, messages, 1, 0) == 1);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(reader.done());
  CHECK(site_call(SYS_sendmmsg, int{e.b}, messages + 1, 2, 0) == 2);
  CHECK(messages[2].msg_len == 5);
  CHECK(reader.get() == "onetwothree");
}

TEST_CASE("WEFT_PATCH names groups to keep or, with a dash, to leave out") {
  using io::group_selected;
  CHECK(group_selected("read", nullptr));
  CHECK(group_selected("read", ""));
  CHECK(group_selected("read", "read,poll"));
  CHECK_FALSE(group_selected("recv", "read,poll"));
  CHECK_FALSE(group_selected("read", "-read"));
  CHECK(group_selected("recv", "-read"));
  CHECK_FALSE(group_selected("read", "all,-read"));
  CHECK(group_selected("poll", "all,-read"));
  CHECK(group_selected("bookkeeping", "read,-bookkeeping"));
  CHECK_FALSE(group_selected("rea", "read"));
  CHECK_FALSE(group_selected("read", "rea"));
}

TEST_CASE("every row of the table has a name and a handler, each call once") {
  std::set<long> seen;
  io::each_door([&](const io::door_entry& r) {
    CHECK((r.handle.call != nullptr));
    CHECK(r.name != nullptr);
    CHECK_MESSAGE(seen.insert(r.nr).second, r.name);
  });
  CHECK(seen.size() > 20);
}
