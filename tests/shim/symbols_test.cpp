// The symbol door by itself: before constructors, in threads without a hub, under pthread_cancel, and shut when the shim is missing.
#include <doctest/doctest.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <thread>

#include "child.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"

// siginterrupt is obsolete, and programs call it.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

using namespace weft_test;

namespace {

// Called by the loader before any object's constructors.
long read_before_constructors = 0;
void early(int, char**, char**) {
  int fds[2];
  char text[4];
  if (pipe(fds) == 0 && write(fds[1], "soon", 4) == 4) read_before_constructors = read(fds[0], text, sizeof text);
  close(fds[0]);
  close(fds[1]);
}
__attribute__((section(".preinit_array"), used)) void (*call_early)(int, char**, char**) = early;

struct socket_pair {
  socket_pair() {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) std::abort();
  }
  ~socket_pair() {
    close(fds[0]);
    close(fds[1]);
  }
  int fds[2];
};

void* read_for_ever(void* fd) {
  char c;
  read(*static_cast<int*>(fd), &c, 1);
  return nullptr;
}

child_result by_symbols(const char* name) {
  return run_self(name, {"WEFT_DOOR=symbols", std::string("LD_PRELOAD=") + std::getenv("WEFT_SHIM")});
}

}  // namespace

TEST_CASE("inside" * doctest::skip()) {
  ::alarm(50);
  REQUIRE(weft::patch_info().symbols > 100);
  REQUIRE(weft::patch_info().sites_patched == 0);
  CHECK(read_before_constructors == 4);

  SUBCASE("fibers wait for each other and the thread waits for nobody") {
    socket_pair a;
    auto reader = weft::spawn([&] {
      char c = 0;
      CHECK(recv(a.fds[0], &c, 1, 0) == 1);
      return c;
    });
    weft::spawn([&] {
      usleep(1000);
      CHECK(send(a.fds[1], "x", 1, 0) == 1);
    }).join();
    CHECK(reader.get() == 'x');
    CHECK(weft::this_hub().stats().parks > 2);
  }
  SUBCASE("a call by number goes the same way") {
    socket_pair a;
    auto reader = weft::spawn([&] {
      char c = 0;
      CHECK(syscall(SYS_recvfrom, a.fds[0], &c, 1, 0, nullptr, nullptr) == 1);
      CHECK(syscall(SYS_recvfrom, a.fds[0], &c, 1, MSG_DONTWAIT, nullptr, nullptr) == -1);
      CHECK(errno == EAGAIN);
      return c;
    });
    auto writer = weft::spawn([&] { CHECK(syscall(SYS_sendto, a.fds[1], "y", 1, 0, nullptr, 0) == 1); });
    CHECK(reader.get() == 'y');
    CHECK(syscall(SYS_getpid) == getpid());
    CHECK(syscall(-1) == -1);
    CHECK(errno == ENOSYS);
    CHECK(syscall(100'000) == -1);
  }
  SUBCASE("a thread without a hub blocks by itself, and pthread_cancel ends its wait") {
    socket_pair a;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, nullptr, read_for_ever, &a.fds[0]) == 0);
    pthread_cancel(thread);
    void* result = nullptr;
    pthread_join(thread, &result);
    CHECK(result == PTHREAD_CANCELED);
  }
  SUBCASE("a call that would find its data at once is a cancellation point as well") {
    static socket_pair a;
    REQUIRE(send(a.fds[1], "z", 1, 0) == 1);
    static bool came_back;
    came_back = false;
    std::thread([] {
      pthread_t thread;
      pthread_create(
          &thread, nullptr,
          [](void*) -> void* {
            weft::this_hub();
            auto other = weft::spawn([] { weft::this_fiber::sleep_for(std::chrono::milliseconds(1)); });
            pthread_cancel(pthread_self());
            char c;
            recv(a.fds[0], &c, 1, 0);
            came_back = true;
            return nullptr;
          },
          nullptr);
      pthread_join(thread, nullptr);
    }).join();
    CHECK_FALSE(came_back);
  }
  SUBCASE("signals end parked calls as sigaction, signal and siginterrupt have it, and handlers are the program's own") {
    static volatile int seen;
    seen = 0;
    const auto handler = [](int) { seen = seen + 1; };
    struct sigaction wanted {}, before {};
    wanted.sa_handler = handler;
    sigaddset(&wanted.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &wanted, nullptr) == 0);
    CHECK(sigaction(SIGUSR1, nullptr, &before) == 0);
    CHECK((before.sa_handler == wanted.sa_handler));
    CHECK(before.sa_flags == 0);
    CHECK(sigismember(&before.sa_mask, SIGUSR2) == 1);
    CHECK(sigismember(&before.sa_mask, SIGUSR1) == 0);
    socket_pair a;
    const auto interrupted = [&] {
      auto reader = weft::spawn([&] {
        char c;
        const ssize_t n = read(a.fds[0], &c, 1);
        return n < 0 ? errno : 0;
      });
      weft::spawn([&] {
        usleep(1000);
        kill(getpid(), SIGUSR1);
        usleep(1000);
        CHECK(write(a.fds[1], "x", 1) == 1);
      }).join();
      const int error = reader.get();
      char c;
      if (error != 0) CHECK(read(a.fds[0], &c, 1) == 1);
      return error;
    };
    CHECK(interrupted() == EINTR);
    CHECK((signal(SIGUSR1, handler) == wanted.sa_handler));
    CHECK(interrupted() == 0);
    CHECK(siginterrupt(SIGUSR1, 1) == 0);
    CHECK(interrupted() == EINTR);
    CHECK((signal(SIGUSR1, handler) == wanted.sa_handler));
    CHECK(interrupted() == EINTR);
    CHECK(seen == 4);
    CHECK((signal(SIGUSR1, SIG_DFL) == wanted.sa_handler));
    CHECK((signal(SIGKILL, handler) == SIG_ERR));
    CHECK(errno == EINVAL);
  }
  SUBCASE("children by fork, vfork and system come back") {
    auto f = weft::spawn([] {
      int status = 0;
      const pid_t child = fork();
      if (child == 0) _exit(3);
      CHECK(waitpid(child, &status, 0) == child);
      CHECK(WEXITSTATUS(status) == 3);
      CHECK(WEXITSTATUS(system("exit 4")) == 4);
      CHECK(system(nullptr) != 0);
    });
    f.join();
    int status = 0;
    const pid_t child = vfork();
    if (child == 0) _exit(5);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 5);
  }
}

TEST_CASE("a preloaded program lives by interposed functions alone") {
  const child_result r = by_symbols("inside");
  CHECK_MESSAGE(r.exit_code == 0, r.out, r.err);
  CHECK(r.err == "");
}

TEST_CASE("with text that cannot be written" * doctest::skip()) {
  ::alarm(50);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof code / sizeof *code, code};
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  const weft::patch_result done = weft::patch_all();
  CHECK(done.sites_patched == 0);
  CHECK(done.symbols > 100);
  socket_pair a;
  auto reader = weft::spawn([&] {
    char c;
    return recv(a.fds[0], &c, 1, 0);
  });
  auto writer = weft::spawn([&] { CHECK(write(a.fds[1], "x", 1) == 1); });
  CHECK(reader.get() == 1);
}

TEST_CASE("where libc's text cannot be written its functions serve instead, and one line says so") {
  const child_result r = run_self("with text that cannot be written",
                                  {"WEFT_OFF=1", "WEFT_DOOR", std::string("LD_PRELOAD=") + std::getenv("WEFT_SHIM")});
  CHECK_MESSAGE(r.exit_code == 0, r.out, r.err);
  CHECK(r.err.find("libc's functions are interposed instead") != std::string::npos);
  CHECK(r.err.find('\n') == r.err.size() - 1);
}

TEST_CASE("without the shim" * doctest::skip()) {
  weft::patch_all();
  CHECK(weft::patch_info().symbols == 0);
  CHECK(weft::patch_info().sites_patched > 0);
}

TEST_CASE("a program that is not preloaded has the sites only, and hears so") {
  const child_result r = run_self("without the shim", {"WEFT_DOOR=symbols", "LD_PRELOAD"});
  CHECK_MESSAGE(r.exit_code == 0, r.out, r.err);
  CHECK(r.err.find("WEFT_DOOR=symbols needs libweft-shim.so") != std::string::npos);
}

TEST_CASE("a word that WEFT_DOOR does not know is named") {
  const child_result r = run_self("without the shim", {"WEFT_DOOR=windows", "LD_PRELOAD"});
  CHECK(r.exit_code == 0);
  CHECK(r.err.find("WEFT_DOOR=windows") != std::string::npos);
}
