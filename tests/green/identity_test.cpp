// What the kernel keeps for each thread by its id: names, priorities, affinity. On the kernel's threads and on green ones.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "green.hpp"

namespace {

// A thread that stays until it is let go.
class resting_thread {
public:
  resting_thread() {
    pipe(ends_);
    thread_ = std::thread([this] {
      tid_ = gettid();
      char c = 0;
      write(back_ready(), &c, 1);
      read(ends_[0], &c, 1);
    });
    char c = 0;
    read(ready_[0], &c, 1);
  }
  ~resting_thread() {
    end();
    for (const int fd : {ends_[0], ends_[1], ready_[0], ready_[1]}) close(fd);
  }
  void end() {
    if (!thread_.joinable()) return;
    char c = 0;
    write(ends_[1], &c, 1);
    thread_.join();
  }
  pid_t tid() const { return tid_; }
  pthread_t handle() { return thread_.native_handle(); }

private:
  int back_ready() { return ready_[1]; }
  int ends_[2], ready_[2] = {-1, -1};
  const int made_ = pipe(ready_);
  pid_t tid_ = 0;
  std::thread thread_;
};

std::string name_of(pthread_t t) {
  char name[16] = "?";
  CHECK(pthread_getname_np(t, name, sizeof name) == 0);
  return name;
}

cpu_set_t only(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return set;
}

int first_cpu() {
  cpu_set_t set;
  REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &set)) return i;
  return -1;
}

std::string line_of(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  if (fd < 0) return "errno " + std::to_string(errno);
  char text[256];
  const ssize_t n = read(fd, text, sizeof text);
  close(fd);
  const std::string all(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  return all.substr(0, all.find('\n'));
}

}  // namespace

TEST_CASE("each thread has an id of its own, and the first one the process's") {
  pid_t one = 0, two = 0;
  std::thread a([&] { one = gettid(); usleep(1000); }), b([&] { two = gettid(); usleep(1000); });
  a.join();
  b.join();
  CHECK(gettid() == getpid());
  CHECK(one != two);
  CHECK(one != gettid());
}

TEST_CASE("a thread inherits its maker's name and has its own from then on") {
  REQUIRE(prctl(PR_SET_NAME, "first") == 0);
  in_thread([] {
    CHECK(name_of(pthread_self()) == "first");
    CHECK(prctl(PR_SET_NAME, "a name that is longer than it may be") == 0);
    CHECK(name_of(pthread_self()) == "a name that is ");
    in_thread([] { CHECK(name_of(pthread_self()) == "a name that is "); });
    CHECK(pthread_setname_np(pthread_self(), "a name that is longer") == ERANGE);
  });
  CHECK(name_of(pthread_self()) == "first");
}

TEST_CASE("bad pointers for names are refused") {
  in_thread([] {
    CHECK(prctl(PR_SET_NAME, reinterpret_cast<char*>(16)) == -1);
    CHECK(errno == EFAULT);
    CHECK(prctl(PR_GET_NAME, reinterpret_cast<char*>(16)) == -1);
    CHECK(errno == EFAULT);
  });
}

TEST_CASE("a thread is named by another, and read by another") {
  resting_thread t;
  CHECK(pthread_setname_np(t.handle(), "worker 1") == 0);
  CHECK(name_of(t.handle()) == "worker 1");
  CHECK(line_of("/proc/self/task/" + std::to_string(t.tid()) + "/comm") == "worker 1");
  CHECK(line_of("/proc/" + std::to_string(getpid()) + "/task/" + std::to_string(t.tid()) + "/comm") == "worker 1");
  CHECK(line_of("/proc/" + std::to_string(t.tid()) + "/comm") == "worker 1");
  CHECK(name_of(pthread_self()) != "worker 1");
  in_thread([&] {
    CHECK(pthread_setname_np(t.handle(), "worker 2") == 0);
    CHECK(name_of(t.handle()) == "worker 2");
  });
}

TEST_CASE("files of a thread in /proc are there while it lives") {
  resting_thread t;
  const std::string folder = "/proc/self/task/" + std::to_string(t.tid());
  struct stat s;
  CHECK(stat(folder.c_str(), &s) == 0);
  CHECK(S_ISDIR(s.st_mode));
  CHECK(access((folder + "/stat").c_str(), R_OK) == 0);
  CHECK(line_of(folder + "/status").starts_with("Name:"));
  char link[256];
  CHECK(readlink((folder + "/exe").c_str(), link, sizeof link) > 0);
  CHECK(open((folder + "/nothing").c_str(), O_RDONLY) == -1);
  CHECK(errno == ENOENT);
  t.end();
  CHECK(line_of("/proc/self/task/16999999/comm") == "errno " + std::to_string(ENOENT));
}

TEST_CASE("affinity is a thread's own: checked, kept, inherited and reported") {
  const int cpu = first_cpu();
  const cpu_set_t one = only(cpu);
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  resting_thread t;
  CHECK(pthread_setaffinity_np(t.handle(), sizeof one, &one) == 0);
  cpu_set_t seen;
  CHECK(pthread_getaffinity_np(t.handle(), sizeof seen, &seen) == 0);
  CHECK(CPU_EQUAL(&seen, &one));
  CHECK(sched_getaffinity(t.tid(), sizeof seen, &seen) == 0);
  CHECK(CPU_EQUAL(&seen, &one));
  CHECK(sched_getaffinity(0, sizeof seen, &seen) == 0);
  CHECK(CPU_EQUAL(&seen, &before));
  in_thread([&] {
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    in_thread([&] {
      cpu_set_t inherited;
      CHECK(sched_getaffinity(0, sizeof inherited, &inherited) == 0);
      CHECK(CPU_EQUAL(&inherited, &one));
    });
    cpu_set_t none;
    CPU_ZERO(&none);
    CHECK(sched_setaffinity(0, sizeof none, &none) == -1);
    CHECK(errno == EINVAL);
    CHECK(syscall(SYS_sched_setaffinity, 0, sizeof none, 16) == -1);
    CHECK(errno == EFAULT);
    CHECK(syscall(SYS_sched_getaffinity, 0, 7, &none) == -1);
    CHECK(errno == EINVAL);
  });
  t.end();
}

TEST_CASE("attributes of a running thread can be asked for") {
  resting_thread t;
  pthread_attr_t a;
  REQUIRE(pthread_getattr_np(t.handle(), &a) == 0);
  std::size_t size = 0;
  void* at = nullptr;
  CHECK(pthread_attr_getstack(&a, &at, &size) == 0);
  CHECK(size >= 64 * 1024);
  pthread_attr_destroy(&a);
}

TEST_CASE("policies and priorities are checked as the kernel does, and a thread's own") {
  resting_thread t;
  sched_param p{};
  CHECK(sched_getscheduler(t.tid()) == SCHED_OTHER);
  CHECK(sched_setscheduler(t.tid(), SCHED_BATCH, &p) == 0);
  CHECK(sched_getscheduler(t.tid()) == SCHED_BATCH);
  CHECK(sched_getscheduler(0) == SCHED_OTHER);
  p.sched_priority = 1;
  CHECK(sched_setscheduler(t.tid(), SCHED_OTHER, &p) == -1);
  CHECK(errno == EINVAL);
  p.sched_priority = 0;
  CHECK(sched_setscheduler(t.tid(), SCHED_FIFO, &p) == -1);
  CHECK(errno == EINVAL);
  CHECK(sched_setscheduler(t.tid(), 77, &p) == -1);
  CHECK(errno == EINVAL);
  CHECK(syscall(SYS_sched_setscheduler, t.tid(), SCHED_OTHER, nullptr) == -1);
  CHECK(errno == EINVAL);
  CHECK(sched_getparam(t.tid(), &p) == 0);
  CHECK(p.sched_priority == 0);
  int policy = -1;
  CHECK(pthread_getschedparam(t.handle(), &policy, &p) == 0);
  timespec slice{};
  CHECK(sched_rr_get_interval(t.tid(), &slice) == 0);
  t.end();
  if (t.tid() >= 1 << 24) {
    CHECK(sched_getscheduler(t.tid()) == -1);
    CHECK(errno == ESRCH);
  }
}

TEST_CASE("niceness is a thread's own") {
  resting_thread t;
  errno = 0;
  const int before = getpriority(PRIO_PROCESS, 0);
  REQUIRE(errno == 0);
  // 19 is the nicest: all of these may be, where the test itself is run nicely.
  const int nicer = std::min(before + 3, 19), nice_by_two = std::min(before + 2, 19);
  CHECK(setpriority(PRIO_PROCESS, static_cast<id_t>(t.tid()), nicer) == 0);
  CHECK(getpriority(PRIO_PROCESS, static_cast<id_t>(t.tid())) == nicer);
  CHECK(getpriority(PRIO_PROCESS, 0) == before);
  in_thread([&] {
    CHECK(nice(2) == nice_by_two);
    in_thread([&] { CHECK(getpriority(PRIO_PROCESS, 0) == nice_by_two); });
    CHECK(setpriority(PRIO_PROCESS, 0, 100) == 0);
    CHECK(getpriority(PRIO_PROCESS, 0) == 19);
  });
  CHECK(getpriority(PRIO_PROCESS, 0) == before);
}

TEST_CASE("the priority of a thread's I/O is its own") {
  constexpr int process = 1, best_effort = 2 << 13;
  in_thread([&] {
    CHECK(syscall(SYS_ioprio_set, process, 0, best_effort | 6) == 0);
    CHECK(syscall(SYS_ioprio_get, process, 0) == (best_effort | 6));
    CHECK(syscall(SYS_ioprio_get, process, gettid()) == (best_effort | 6));
    CHECK(syscall(SYS_ioprio_set, process, 0, 5 << 13) == -1);
    CHECK(errno == EINVAL);
  });
  CHECK(syscall(SYS_ioprio_get, process, 0) != (best_effort | 6));
}

TEST_CASE("a forked child is named after the thread that forked") {
  in_thread([] {
    REQUIRE(prctl(PR_SET_NAME, "forker") == 0);
    const pid_t child = fork();
    if (child == 0) _exit(line_of("/proc/self/comm") == "forker" && name_of(pthread_self()) == "forker" ? 0 : 1);
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  });
}
