// Files, locks and messages through libc in fibers: what waits parks only its fiber, and answers as without Weft.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;

namespace {

[[maybe_unused]] const weft::patch_result patched = weft::patch_all();

struct folder {
  folder() {
    char name[] = "/tmp/weft-files-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~folder() { std::system(("rm -rf " + path).c_str()); }
  std::string file(const char* name) const { return path + "/" + name; }
  std::string path;
};

struct descriptor {
  explicit descriptor(int n) : fd(n) { REQUIRE(fd >= 0); }
  ~descriptor() { ::close(fd); }
  operator int() const { return fd; }
  int fd;
};

struct pipe_ends {
  pipe_ends() { REQUIRE(::pipe2(at, O_CLOEXEC) == 0); }
  ~pipe_ends() {
    for (int i = 0; i < 2; ++i) shut(i);
  }
  void shut(int i) {
    if (at[i] >= 0) ::close(at[i]);
    at[i] = -1;
  }
  int at[2];
};

// What `call` gives in a fiber, and errno; once it has shown to wait, `end_it` has to end it.
struct outcome {
  long result = -2;
  int error = 0;
};
outcome waits_until(const std::function<long()>& call, const std::function<void(weft::fiber<>&)>& end_it) {
  outcome o;
  const auto parks = weft::this_hub().stats().parks;
  auto f = weft::spawn([&] {
    errno = 0;
    o.result = call();
    o.error = errno;
  });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(f.done());
  CHECK(weft::this_hub().stats().parks > parks);
  end_it(f);
  f.join();
  return o;
}
outcome waits_until(const std::function<long()>& call, const std::function<void()>& end_it) {
  return waits_until(call, [&](weft::fiber<>&) { end_it(); });
}
outcome cancelled(const std::function<long()>& call) {
  return waits_until(call, [](weft::fiber<>& f) { f.cancel(); });
}

// In a fiber, so that calls are Weft's business.
template <class F>
void in_fiber(F fn) {
  weft::spawn(fn).join();
}

}  // namespace

TEST_CASE("libc's text was rewritten") { CHECK(patched.sites_patched > 100); }

TEST_CASE("flock waits for the other holder") {
  const folder dir;
  const descriptor a(::open(dir.file("f").c_str(), O_RDWR | O_CREAT, 0600)), b(::open(dir.file("f").c_str(), O_RDWR));
  REQUIRE(::flock(a, LOCK_EX) == 0);
  CHECK(cancelled([&] { return ::flock(b, LOCK_SH); }).error == ECANCELED);
  CHECK(waits_until([&] { return ::flock(b, LOCK_SH); }, [&] { ::flock(a, LOCK_UN); }).result == 0);
  in_fiber([&] {
    CHECK(::flock(a, LOCK_EX | LOCK_NB) == -1);
    CHECK(errno == EWOULDBLOCK);
    CHECK(::flock(-1, LOCK_EX) == -1);
    CHECK(errno == EBADF);
    CHECK(::flock(a, 77) == -1);
    CHECK(errno == EINVAL);
  });
}

TEST_CASE("F_OFD_SETLKW and lockf wait, and tell errors") {
  const folder dir;
  const descriptor a(::open(dir.file("f").c_str(), O_RDWR | O_CREAT, 0600)), b(::open(dir.file("f").c_str(), O_RDWR));
  struct flock region {};
  region.l_type = F_WRLCK;
  struct flock none = region;
  none.l_type = F_UNLCK;
  REQUIRE(::fcntl(a, F_OFD_SETLK, &region) == 0);
  struct flock mine = region;
  CHECK(cancelled([&] { return ::fcntl(b, F_OFD_SETLKW, &mine); }).error == ECANCELED);
  CHECK(waits_until([&] { return ::fcntl(b, F_OFD_SETLKW, &mine); }, [&] { ::fcntl(a, F_OFD_SETLK, &none); }).result == 0);
  ::fcntl(b, F_OFD_SETLK, &none);
  in_fiber([&] {
    CHECK(::fcntl(a, F_SETLKW, static_cast<struct flock*>(nullptr)) == -1);
    CHECK(errno == EFAULT);
    CHECK(::lockf(a, F_LOCK, 0) == 0);
  });
  // Another process holds it.
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(50);
    const int own = ::open(dir.file("f").c_str(), O_RDWR);
    if (::lockf(own, F_LOCK, 0) == 0) ::_exit(0);
    ::_exit(1);
  }
  in_fiber([&] { CHECK(::lockf(a, F_ULOCK, 0) == 0); });
}

TEST_CASE("System V messages and semaphores") {
  const int queue = ::msgget(IPC_PRIVATE, 0600), set = ::semget(IPC_PRIVATE, 1, 0600);
  REQUIRE(queue >= 0);
  REQUIRE(set >= 0);
  struct message {
    long type;
    char text[8];
  } out{3, "hello"}, in{};
  CHECK(cancelled([&] { return ::msgrcv(queue, &in, sizeof in.text, 0, 0); }).error == ECANCELED);
  CHECK(waits_until([&] { return ::msgrcv(queue, &in, sizeof in.text, 3, 0); },
                    [&] { REQUIRE(::msgsnd(queue, &out, sizeof out.text, 0) == 0); })
            .result == sizeof in.text);
  CHECK(std::string(in.text) == "hello");
  in_fiber([&] {
    CHECK(::msgrcv(queue, &in, sizeof in.text, 0, IPC_NOWAIT) == -1);
    CHECK(errno == ENOMSG);
  });
  // Full: the sender waits.
  int filled = 0;
  while (::msgsnd(queue, &out, sizeof out.text, IPC_NOWAIT) == 0) ++filled;
  CHECK(waits_until([&] { return ::msgsnd(queue, &out, sizeof out.text, 0); },
                    [&] { ::msgrcv(queue, &in, sizeof in.text, 0, 0); })
            .result == 0);
  sembuf down{0, -1, 0}, up{0, 1, 0};
  CHECK(waits_until([&] { return ::semop(set, &down, 1); }, [&] { ::semop(set, &up, 1); }).result == 0);
  in_fiber([&] {
    const timespec soon{0, 3'000'000}, wrong{0, -1};
    CHECK(::semtimedop(set, &down, 1, &soon) == -1);
    CHECK(errno == EAGAIN);
    CHECK(::semtimedop(set, &down, 1, &wrong) == -1);
    CHECK(errno == EINVAL);
    sembuf at_once{0, -1, IPC_NOWAIT};
    CHECK(::semop(set, &at_once, 1) == -1);
    CHECK(errno == EAGAIN);
  });
  // What is removed under a waiter.
  const outcome gone = waits_until([&] { return ::semop(set, &down, 1); }, [&] {
    while (::semctl(set, 0, GETNCNT) == 0) weft::this_fiber::yield();
    ::semctl(set, 0, IPC_RMID);
  });
  CHECK(gone.error == EIDRM);
  ::msgctl(queue, IPC_RMID, nullptr);
}

TEST_CASE("POSIX message queues") {
  const std::string name = "/weft-files-" + std::to_string(::getpid());
  mq_attr attributes{};
  attributes.mq_maxmsg = 2;
  attributes.mq_msgsize = 16;
  const mqd_t queue = ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  if (queue < 0) {
    MESSAGE("this kernel has no message queues: " << std::strerror(errno));
    return;
  }
  ::mq_unlink(name.c_str());
  char text[16] = {};
  CHECK(cancelled([&] { return ::mq_receive(queue, text, sizeof text, nullptr); }).error == ECANCELED);
  CHECK(waits_until([&] { return ::mq_receive(queue, text, sizeof text, nullptr); }, [&] { ::mq_send(queue, "abc", 4, 1); }).result == 4);
  CHECK(std::string(text) == "abc");
  REQUIRE(::mq_send(queue, "1", 2, 1) == 0);
  REQUIRE(::mq_send(queue, "2", 2, 1) == 0);
  CHECK(waits_until([&] { return ::mq_send(queue, "3", 2, 1); }, [&] { ::mq_receive(queue, text, sizeof text, nullptr); }).result == 0);
  in_fiber([&] {
    timespec soon{};
    ::clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 3'000'000;
    if (soon.tv_nsec >= 1'000'000'000) ++soon.tv_sec, soon.tv_nsec -= 1'000'000'000;
    CHECK(::mq_timedsend(queue, "4", 2, 1, &soon) == -1);
    CHECK(errno == ETIMEDOUT);
    mq_attr flags{};
    flags.mq_flags = O_NONBLOCK;
    ::mq_setattr(queue, &flags, nullptr);
    CHECK(::mq_send(queue, "4", 2, 1) == -1);
    CHECK(errno == EAGAIN);
  });
  ::mq_close(queue);
}

TEST_CASE("opening a FIFO waits for the other end") {
  const folder dir;
  const std::string fifo = dir.file("fifo");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(cancelled([&] { return ::open(fifo.c_str(), O_RDONLY); }).error == ECANCELED);
  int writer = -1;
  const outcome o = waits_until([&] { return ::open(fifo.c_str(), O_RDONLY); }, [&] { writer = ::open(fifo.c_str(), O_WRONLY); });
  REQUIRE(o.result >= 0);
  CHECK((::fcntl(static_cast<int>(o.result), F_GETFL) & O_NONBLOCK) == 0);
  ::close(static_cast<int>(o.result));
  ::close(writer);
  in_fiber([&] {
    CHECK(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK) == -1);
    CHECK(errno == ENXIO);
  });
  // Both sides in fibers, through stdio.
  auto reading = weft::spawn([&] {
    FILE* f = std::fopen(fifo.c_str(), "r");
    char line[32] = {};
    if (f == nullptr || std::fgets(line, sizeof line, f) == nullptr) return std::string("nothing");
    std::fclose(f);
    return std::string(line);
  });
  auto writing = weft::spawn([&] {
    FILE* f = std::fopen(fifo.c_str(), "w");
    std::fputs("through a FIFO\n", f);
    std::fclose(f);
  });
  writing.join();
  CHECK(reading.get() == "through a FIFO\n");
}

TEST_CASE("bytes move from descriptor to descriptor") {
  const folder dir;
  const std::string data(300'000, 'd');
  const descriptor file(::open(dir.file("f").c_str(), O_RDWR | O_CREAT, 0600));
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const descriptor left(pair[0]), right(pair[1]);
  in_fiber([&] { CHECK(::write(file, data.data(), data.size()) == static_cast<ssize_t>(data.size())); });
  // More than the socket holds: sendfile waits for the reader.
  off_t from = 0;
  auto sender = weft::spawn([&] { return ::sendfile(left, file, &from, data.size()); });
  std::string got(data.size(), 0);
  in_fiber([&] { CHECK(::recv(right, got.data(), got.size(), MSG_WAITALL) == static_cast<ssize_t>(got.size())); });
  CHECK(sender.get() == static_cast<ssize_t>(data.size()));
  CHECK(from == static_cast<off_t>(data.size()));
  CHECK(got == data);
  pipe_ends a, b;
  CHECK(cancelled([&] { return ::splice(a.at[0], nullptr, b.at[1], nullptr, 10, 0); }).error == ECANCELED);
  CHECK(waits_until([&] { return ::splice(a.at[0], nullptr, b.at[1], nullptr, 10, 0); }, [&] { CHECK(::write(a.at[1], "abc", 3) == 3); })
            .result == 3);
  CHECK(waits_until([&] { return ::tee(a.at[0], b.at[1], 10, 0); }, [&] { CHECK(::write(a.at[1], "xyz", 3) == 3); }).result == 3);
  iovec part{const_cast<char*>(data.data()), 4096};
  while (::vmsplice(a.at[1], &part, 1, SPLICE_F_NONBLOCK) > 0) {
  }
  std::vector<char> room(1 << 20);
  CHECK(waits_until([&] { return ::vmsplice(a.at[1], &part, 1, 0); }, [&] { CHECK(::read(a.at[0], room.data(), room.size()) > 0); })
            .result > 0);
  in_fiber([&] {
    const descriptor copy(::open(dir.file("copy").c_str(), O_RDWR | O_CREAT, 0600));
    loff_t at = 0;
    CHECK(::copy_file_range(file, &at, copy, nullptr, data.size(), 0) == static_cast<ssize_t>(data.size()));
  });
}

TEST_CASE("files are read and written at offsets, synced, cut and opened, with the kernel's errors") {
  const folder dir;
  std::vector<weft::fiber<void>> fibers;
  for (int i = 0; i < 20; ++i)
    fibers.push_back(weft::spawn([&, i] {
      const descriptor fd(::open(dir.file(std::to_string(i).c_str()).c_str(), O_RDWR | O_CREAT | (i % 4 == 0 ? O_DSYNC : 0), 0600));
      const std::string text(5'000, static_cast<char>('a' + i));
      CHECK(::pwrite(fd, text.data(), text.size(), 100) == 5'000);
      CHECK(::fsync(fd) == 0);
      CHECK(::fdatasync(fd) == 0);
      ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      std::string got(5'000, 0);
      CHECK(::pread(fd, got.data(), got.size(), 100) == 5'000);
      CHECK(got == text);
      char x[10], y[10];
      const iovec parts[] = {{x, 10}, {y, 10}};
      CHECK(::preadv(fd, parts, 2, 5'090) == 10);
      CHECK(::pwritev(fd, parts, 2, 0) == 20);
      CHECK(::preadv2(fd, parts, 2, -1, 0) == 20);
      CHECK(::lseek(fd, 0, SEEK_CUR) == 20);
      CHECK(::ftruncate(fd, 10) == 0);
      CHECK(::posix_fallocate(fd, 0, 50) == 0);
      struct stat st;
      CHECK(::fstat(fd, &st) == 0);
      CHECK(st.st_size == 50);
      CHECK(::pread(fd, x, 1, -1) == -1);
      CHECK(errno == EINVAL);
      void* volatile nowhere = reinterpret_cast<void*>(8);
      CHECK(::pread(fd, nowhere, 1, 0) == -1);
      CHECK(errno == EFAULT);
    }));
  for (auto& f : fibers) f.join();
  in_fiber([&] {
    pipe_ends p;
    char c;
    CHECK(::pread(p.at[0], &c, 1, 0) == -1);
    CHECK(errno == ESPIPE);
    CHECK(::fsync(-1) == -1);
    CHECK(errno == EBADF);
    CHECK(::fsync(p.at[0]) == -1);
    CHECK(errno == EINVAL);
    const descriptor read_only(::open(dir.file("0").c_str(), O_RDONLY));
    CHECK(::write(read_only, "x", 1) == -1);
    CHECK(errno == EBADF);
    CHECK(::open("/nowhere/at/all", O_RDONLY) == -1);
    CHECK(errno == ENOENT);
    CHECK(::open(reinterpret_cast<const char*>(8), O_RDONLY) == -1);
    CHECK(errno == EFAULT);
    ::sync();
    CHECK(::syncfs(read_only) == 0);
  });
}

TEST_CASE("a handled signal ends a wait with EINTR, or has it made again, as the kernel would") {
  const folder dir;
  const descriptor a(::open(dir.file("f").c_str(), O_RDWR | O_CREAT, 0600)), b(::open(dir.file("f").c_str(), O_RDWR));
  const int queue = ::msgget(IPC_PRIVATE, 0600);
  static volatile sig_atomic_t handled = 0;
  for (const int flags : {0, SA_RESTART}) {
    struct sigaction action {}, before {};
    action.sa_handler = [](int) { handled = handled + 1; };
    action.sa_flags = flags;
    ::sigaction(SIGUSR2, &action, &before);
    handled = 0;
    const auto interrupt = [] {
      ::kill(::getpid(), SIGUSR2);
      weft::testing::wait_all_blocked();
    };
    // Never made again, whatever the flag.
    long buffer[4];
    CHECK(waits_until([&] { return ::msgrcv(queue, buffer, 8, 0, 0); }, interrupt).error == EINTR);
    CHECK(handled == 1);
    REQUIRE(::flock(a, LOCK_EX) == 0);
    const outcome o = waits_until([&] { return ::flock(b, LOCK_EX); }, [&] {
      interrupt();
      // Let go at once, the lock could be faster than the interruption.
      if (flags != 0) ::flock(a, LOCK_UN);
    });
    ::flock(a, LOCK_UN);
    CHECK(handled == 2);
    CHECK(o.error == (flags == 0 ? EINTR : 0));
    ::flock(b, LOCK_UN);
    ::sigaction(SIGUSR2, &before, nullptr);
  }
  ::msgctl(queue, IPC_RMID, nullptr);
}

TEST_CASE("kernel AIO is waited for") {
  aio_context_t context = 0;
  if (::syscall(SYS_io_setup, 4, &context) != 0) return;
  io_event event{};
  timespec soon{0, 3'000'000};
  in_fiber([&] { CHECK(::syscall(SYS_io_getevents, context, 1, 1, &event, &soon) == 0); });
  CHECK(cancelled([&] { return ::syscall(SYS_io_getevents, context, 1, 1, &event, nullptr); }).error == ECANCELED);
  ::syscall(SYS_io_destroy, context);
}

TEST_CASE("a writer to a file that must not grow gets its signal") {
  const folder dir;
  static volatile sig_atomic_t seen = 0;
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { seen = 1; };
  ::sigaction(SIGXFSZ, &action, &before);
  struct rlimit limit, old;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  limit = old;
  limit.rlim_cur = 1000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  in_fiber([&] {
    const descriptor fd(::open(dir.file("small").c_str(), O_RDWR | O_CREAT, 0600));
    const std::string text(2'000, 'x');
    CHECK(::write(fd, text.data(), text.size()) == 1'000);
    CHECK(::write(fd, text.data(), text.size()) == -1);
    CHECK(errno == EFBIG);
    CHECK(seen == 1);
  });
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::sigaction(SIGXFSZ, &before, nullptr);
}
