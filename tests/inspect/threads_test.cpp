// weft ps, bt and top upon programs that know nothing of Weft: what they tell, and that the program does not notice.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cinttypes>

#include "looked_at.hpp"

using namespace weft_test;

namespace {

pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER;
pthread_barrier_t both_hold;

std::string text_of(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%" PRIxPTR, reinterpret_cast<std::uintptr_t>(address));
  return text;
}

std::string first_word(const std::string& line) {
  const std::size_t begin = line.find_first_not_of(' ');
  return begin == std::string::npos ? "" : line.substr(begin, line.find(' ', begin) - begin);
}

void start(pthread_t& t, void* (*function)(void*), void* argument = nullptr) {
  if (pthread_create(&t, nullptr, function, argument) != 0) std::abort();
}

}  // namespace

// Exported, and never inlined: backtraces are to name them.
extern "C" {
[[gnu::noinline]] void take_in_order(pthread_mutex_t* first, pthread_mutex_t* second) {
  pthread_mutex_lock(first);
  pthread_barrier_wait(&both_hold);
  pthread_mutex_lock(second);
  asm volatile("" ::: "memory");
}

std::atomic<bool> computes{true};
[[gnu::noinline]] void compute_for_long() {
  while (computes.load(std::memory_order_relaxed)) asm volatile("" ::: "memory");
}
}

TEST_CASE("subject: two threads take two locks in opposite order" * doctest::skip()) {
  alarm(50);
  pthread_barrier_init(&both_hold, nullptr, 2);
  say("left " + text_of(&left) + " right " + text_of(&right) + " \n");
  pthread_t a, b;
  start(a, [](void*) -> void* {
    pthread_setname_np(pthread_self(), "lefty");
    take_in_order(&left, &right);
    return nullptr;
  });
  start(b, [](void*) -> void* {
    pthread_setname_np(pthread_self(), "righty");
    take_in_order(&right, &left);
    return nullptr;
  });
  pthread_join(a, nullptr);
}

TEST_CASE("a deadlock of two mutexes is told with both threads and both locks' addresses") {
  subject s("subject: two threads take two locks in opposite order", under_weft());
  REQUIRE(s.says("right 0x"));
  REQUIRE(s.says(" \n"));
  const std::string left_at = s.said.substr(s.said.find("left ") + 5, s.said.find(" right") - s.said.find("left ") - 5);
  const std::size_t r = s.said.find("right ") + 6;
  const std::string right_at = s.said.substr(r, s.said.find(" \n", r) - r);
  const std::string ps =
      ask_until({"ps", s.id()}, [](const std::string& out) { return has(out, "deadlock: ") && has(out, ": 3 parked"); });
  CAPTURE(ps);
  CHECK(has(ps, "3 green threads on 1 OS thread: 3 parked"));
  const std::string lefty = first_word(line_with(ps, " lefty ")), righty = first_word(line_with(ps, " righty "));
  CHECK(has(line_with(ps, " lefty "), "lock " + right_at + " held by " + righty + " (righty)"));
  CHECK(has(line_with(ps, " righty "), "lock " + left_at + " held by " + lefty + " (lefty)"));
  CHECK(has(line_with(ps, " main "), "the end of " + lefty + " (lefty)"));
  CHECK(has(ps, lefty + " (lefty) waits for the lock " + right_at + ", which " + righty + " (righty) holds"));
  CHECK(has(ps, righty + " (righty) waits for the lock " + left_at + ", which " + lefty + " (lefty) holds"));

  const std::string bt = weft({"bt", s.id()}).out;
  CAPTURE(bt);
  CHECK(has(paragraph_with(bt, "\"lefty\""), "lock " + right_at));
  CHECK(has(paragraph_with(bt, "\"lefty\""), "  take_in_order  "));
  CHECK(has(paragraph_with(bt, "\"righty\""), "  take_in_order  "));
  CHECK(has(paragraph_with(bt, "\"main\""), "clockjoin"));
  CHECK(has(bt, "deadlock: "));
  CHECK(!has(bt, "weft_patch_entry"));

  const std::string one = weft({"bt", "--whole", s.id(), righty}).out;
  CHECK(has(one, "\"righty\""));
  CHECK(!has(one, "\"lefty\""));
  CHECK(has(one, "weft_patch_entry"));
  CHECK(has(weft({"bt", s.id(), "righty"}).out, "\"righty\""));

  const std::string json = weft({"ps", "--json", s.id()}).out;
  CHECK(has(json, "\"futex\": \"" + right_at + "\", \"held_by\": \"" + righty + "\""));
  CHECK(has(json, "\"deadlocks\": [[\"" + lefty + "\", \"" + righty + "\"]"));
}

TEST_CASE("subject: threads wait for a reader-writer lock" * doctest::skip()) {
  alarm(50);
  static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  static pthread_barrier_t held;
  pthread_barrier_init(&held, nullptr, 2);
  pthread_t writer, next, reader;
  start(writer, [](void*) -> void* {
    pthread_setname_np(pthread_self(), "writer");
    pthread_rwlock_wrlock(&lock);
    pthread_barrier_wait(&held);
    for (;;) pause();
  });
  pthread_barrier_wait(&held);
  start(next, [](void*) -> void* {
    pthread_setname_np(pthread_self(), "next");
    pthread_rwlock_wrlock(&lock);
    return nullptr;
  });
  start(reader, [](void*) -> void* {
    pthread_setname_np(pthread_self(), "reader");
    pthread_rwlock_rdlock(&lock);
    return nullptr;
  });
  say("lock " + text_of(&lock) + " \n");
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("the writer who holds a reader-writer lock is named") {
  subject s("subject: threads wait for a reader-writer lock", under_weft());
  REQUIRE(s.says(" \n"));
  const std::string at = s.said.substr(s.said.find("lock ") + 5, s.said.find(" \n") - s.said.find("lock ") - 5);
  const std::string held_by = "lock " + at + " held by ";
  const std::string ps = ask_until({"ps", s.id()}, [&](const std::string& out) { return count_of(out, held_by) == 2; });
  CAPTURE(ps);
  const std::string writer = line_with(ps, " writer "), held = held_by + writer.substr(0, writer.find(' ')) + " (writer)";
  CHECK(has(line_with(ps, " next "), held));
  CHECK(has(line_with(ps, " reader "), held));
  CHECK(!has(ps, "deadlock: "));
  CHECK(s.end() == 0);
}

TEST_CASE("subject: a server thread, one that computes, and many alike" * doctest::skip()) {
  alarm(50);
  const int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0 || connect(client, reinterpret_cast<sockaddr*>(&at), size) != 0)
    std::abort();
  static int served;
  served = accept(listener, nullptr, nullptr);
  pthread_t server, many[20], busy;
  start(server, [](void*) -> void* {
    pthread_setname_np(pthread_self(), "server");
    char c;
    if (recv(served, &c, 1, 0) != 0) std::abort();
    return nullptr;
  });
  static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  for (pthread_t& t : many)
    start(t, [](void*) -> void* {
      pthread_mutex_lock(&left);
      for (;;) pthread_cond_wait(&never, &left);
    });
  start(busy, [](void*) -> void* {
    pthread_setname_np(pthread_self(), "busy");
    compute_for_long();
    return nullptr;
  });
  say("port " + std::to_string(ntohs(at.sin_port)) + " on " + std::to_string(served) + " \n");
  wait_for_the_end();
  computes = false;
  shutdown(client, SHUT_WR);
  pthread_join(server, nullptr);
  pthread_join(busy, nullptr);
  say("all well\n");
  _exit(0);
}

TEST_CASE("descriptors with their peers, running threads and those alike are told, and the program goes on unharmed") {
  subject s("subject: a server thread, one that computes, and many alike", under_weft());
  REQUIRE(s.says(" \n"));
  const std::string port = s.said.substr(s.said.find("port ") + 5, s.said.find(" on ") - s.said.find("port ") - 5);
  const std::size_t on = s.said.find(" on ") + 4;
  const std::string fd = s.said.substr(on, s.said.find(" \n", on) - on);
  const std::string ps = ask_until({"ps", s.id()}, [](const std::string& out) {
    return count_of(out, "futex 0x") == 20 && has(out, "recv") && has(line_with(out, " busy "), "running") &&
           has(line_with(out, " main "), " on 0 (pipe)");
  });
  CAPTURE(ps);
  CHECK(has(line_with(ps, " server "), " on " + fd + " (tcp 127.0.0.1:" + port + " <-> 127.0.0.1:"));
  CHECK(has(line_with(ps, " busy "), "running"));
  CHECK(has(line_with(ps, " main "), "parked"));
  CHECK(has(line_with(ps, " main "), " on 0 (pipe)"));

  const std::string groups = weft({"ps", "--group", s.id()}).out;
  CAPTURE(groups);
  CHECK(has(line_with(groups, "futex 0x"), "20  thread"));

  // Taken while it runs, a backtrace of who computes may meet Weft's own code: between ticks it does not.
  const std::string bt = ask_until(
      {"bt", s.id()}, [](const std::string& out) { return has(paragraph_with(out, "\"busy\""), "compute_for_long"); });
  CAPTURE(bt);
  CHECK(has(paragraph_with(bt, "20 threads:"), "pthread_cond_wait"));
  CHECK(has(paragraph_with(bt, "\"busy\""), "compute_for_long"));
  CHECK(has(paragraph_with(bt, "\"server\""), "recv"));
  CHECK(count_of(weft({"bt", "--no-fold", s.id()}).out, "pthread_cond_wait") >= 20);

  const std::string top = ask_until({"top", "-d", "0.1", "-n", "1", s.id()},
                                    [](const std::string& out) { return has(line_with(out, " busy "), "runs"); });
  CAPTURE(top);
  CHECK(has(top, "23 fibers, "));
  CHECK(has(line_with(top, "futex"), "20"));
  CHECK(has(line_with(top, " busy "), "runs"));

  CHECK(s.end() == 0);
  CHECK(has(s.said, "all well"));
}

TEST_CASE("subject: waits that the kernel does not restart" * doctest::skip()) {
  alarm(50);
  // A hub is there, with nobody but main any more: its calls go to the kernel.
  pthread_t t;
  start(t, [](void*) -> void* { return nullptr; });
  pthread_join(t, nullptr);
  const int set = epoll_create1(0);
  epoll_event e{EPOLLIN, {}};
  if (epoll_ctl(set, EPOLL_CTL_ADD, 0, &e) != 0) std::abort();
  say("in epoll_wait \n");
  const int n = epoll_wait(set, &e, 1, -1);
  say(n == 1 ? "an event\n" : "no event: errno " + std::to_string(errno) + "\n");
  char c;
  if (read(0, &c, 1) != 1) std::abort();
  int ends[2];
  const timeval limit{50, 0};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)
    std::abort();
  // And with company: the waits of threads are Weft's, the kernel's wait is its poller's.
  start(t, [](void* end) -> void* {
    say("in recv \n");
    char byte;
    const ssize_t got = recv(*static_cast<int*>(end), &byte, 1, 0);
    say(got == 1 ? "a byte\n" : "no byte: errno " + std::to_string(errno) + "\n");
    return nullptr;
  }, &ends[0]);
  pollfd input{0, POLLIN, 0};
  const int ready = poll(&input, 1, -1);
  say(ready == 1 ? "readable\n" : "not readable: errno " + std::to_string(errno) + "\n");
  if (write(ends[1], "x", 1) != 1) std::abort();
  pthread_join(t, nullptr);
  _exit(0);
}

TEST_CASE("looking makes no call of the program fail with EINTR") {
  subject s("subject: waits that the kernel does not restart", under_weft());
  REQUIRE(s.says("in epoll_wait \n"));
  const std::string there = ask_until({"bt", s.id()}, [](const std::string& out) { return has(out, "epoll_wait"); });
  CHECK(has(there, "epoll_wait"));
  // Alone it keeps nobody from running.
  const std::string alone = ask_until({"ps", s.id()}, [](const std::string& out) { return has(out, "the kernel, in epoll_wait"); });
  CAPTURE(alone);
  CHECK(has(line_with(alone, " main "), "the kernel, in epoll_wait"));
  CHECK(!has(alone, "nobody else"));
  for (int n = 0; n < 5; ++n) CHECK(weft({"bt", s.id()}).exit_code == 0);
  REQUIRE(write(s.input, "x", 1) == 1);
  REQUIRE(s.says("event"));
  REQUIRE(s.says("in recv \n"));
  const std::string parked =
      ask_until({"ps", s.id()}, [](const std::string& out) { return has(out, "recv on ") && has(out, "poll on 0 (pipe)"); });
  CHECK(has(parked, "recv on "));
  for (int n = 0; n < 5; ++n) CHECK(weft({"ps", s.id()}).exit_code == 0);
  CHECK(s.end() == 0);
  CHECK(has(s.said, "an event\n"));
  CHECK(has(s.said, "readable\n"));
  CHECK(has(s.said, "a byte\n"));
  CHECK(!has(s.said, "errno"));
}

TEST_CASE("subject: only main, which reads" * doctest::skip()) {
  alarm(50);
  say("here \n");
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("a program that has made no thread yet is told so, with what its OS thread does") {
  subject s("subject: only main, which reads", under_weft());
  REQUIRE(s.says("here"));
  const std::string ps = ask_until({"ps", s.id()}, [](const std::string& out) { return has(out, "read"); });
  CHECK(has(ps, "is under Weft and has no fibers yet"));
  const std::string bt = ask_until({"bt", s.id()}, [](const std::string& out) { return has(out, "read"); });
  CHECK(has(bt, "read"));
  CHECK(s.end() == 0);
}

TEST_CASE("a process without Weft is said to be one") {
  subject s("subject: only main, which reads");
  REQUIRE(s.says("here"));
  for (const char* command : {"ps", "bt", "top"}) {
    const child_result r = weft({command, s.id()});
    CHECK(r.exit_code == 1);
    CHECK(has(r.err, "does not run under Weft: there is no libweft.so in it"));
    CHECK(r.out.empty());
  }
  CHECK(s.end() == 0);
}

TEST_CASE("a process that has ended, or never was, is said to be none") {
  subject s("subject: only main, which reads", under_weft());
  REQUIRE(s.says("here"));
  const std::string id = s.id();
  CHECK(s.end() == 0);
  const child_result r = weft({"ps", id});
  CHECK(r.exit_code == 1);
  CHECK(has(r.err, "there is no process " + id));
  CHECK(weft({"ps"}).exit_code != 0);
  CHECK(weft({"ps", "no-number"}).exit_code != 0);
}

TEST_CASE("top ends when the process does") {
  subject s("subject: two threads take two locks in opposite order", under_weft());
  REQUIRE(s.says(" \n"));
  ask_until({"ps", s.id()}, [](const std::string& out) { return has(out, "deadlock: "); });
  const std::string id = s.id();
  child_result r;
  std::thread watcher([&] { r = weft({"top", "-d", "0.05", id}); });
  kill(s.pid, SIGKILL);
  s.end();
  watcher.join();
  CAPTURE(r.out);
  CAPTURE(r.err);
  // It may have come too late to see it at all.
  CHECK((has(r.out + r.err, "has ended") || has(r.err, "there is no process " + id)));
}

TEST_CASE("subject: a thread forks" * doctest::skip()) {
  alarm(50);
  pthread_t t, sleeper;
  start(sleeper, [](void*) -> void* {
    for (;;) pause();
  });
  start(t, [](void*) -> void* {
    const pid_t child = fork();
    if (child == 0) {
      alarm(50);
      pthread_t more;
      start(more, [](void*) -> void* {
        pthread_setname_np(pthread_self(), "childs");
        wait_for_the_end();
        _exit(0);
      });
      pthread_join(more, nullptr);
    }
    say("child " + std::to_string(child) + " \n");
    return nullptr;
  });
  pthread_join(t, nullptr);
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("a forked child is told by its own threads, not by its parent's") {
  subject s("subject: a thread forks", under_weft());
  REQUIRE(s.says(" \n"));
  const std::size_t at = s.said.find("child ") + 6;
  const std::string child = s.said.substr(at, s.said.find(' ', at) - at);
  const std::string ps =
      ask_until({"ps", child}, [](const std::string& out) { return has(line_with(out, " childs "), "read on 0 (pipe)"); });
  CAPTURE(ps);
  CHECK(has(ps, "process " + child + " "));
  CHECK(has(ps, "2 green threads on 1 OS thread"));
  CHECK(has(line_with(ps, " childs "), "read on 0 (pipe)"));
  CHECK(s.end() == 0);
}

TEST_CASE("another user's process is refused, by name of its owner") {
  if (geteuid() != 0) {
    MESSAGE("left out: only root can become another user");
    return;
  }
  subject s("subject: only main, which reads", under_weft());
  REQUIRE(s.says("here"));
  const std::string command = std::getenv("WEFT_COMMAND");
  const child_result could = run_program({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command, "--version"});
  if (could.exit_code != 0) {
    MESSAGE("left out: another user cannot run " << command);
    return;
  }
  const child_result r = run_program({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command, "ps", s.id()});
  CHECK(r.exit_code == 1);
  CHECK(has(r.err, "belongs to root: only that user and root may look into it"));
}

TEST_CASE("subject: a program that becomes another user" * doctest::skip()) {
  alarm(50);
  if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) std::abort();
  say("here \n");
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("a program that became another user is not that user's to look into, and is said to be protected") {
  if (geteuid() != 0) {
    MESSAGE("left out: only root can become another user");
    return;
  }
  subject s("subject: a program that becomes another user", under_weft());
  REQUIRE(s.says("here"));
  const std::string command = std::getenv("WEFT_COMMAND");
  const std::vector<std::string> as_other = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command};
  std::vector<std::string> words = as_other;
  words.push_back("--version");
  if (run_program(words).exit_code != 0) {
    MESSAGE("left out: another user cannot run " << command);
    return;
  }
  words = as_other;
  words.insert(words.end(), {"ps", s.id()});
  const child_result r = run_program(words);
  CHECK(r.exit_code == 1);
  CHECK(has(r.err, "is protected by the kernel (it changed its user, "));
  CHECK(s.end() == 0);
}
