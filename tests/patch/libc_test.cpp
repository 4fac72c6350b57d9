// The whole of libc redirected in this process: everything it does must go on as natively, and handlers must see it.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "patch/patch.hpp"
#include "pipe_pair.hpp"
#include "sys/syscall.hpp"

using namespace weft::patch;

int main(int, char**);  // doctest's: where a stack walk must arrive

#define RUNTIME_PATH __attribute__((target("general-regs-only")))

namespace {

struct native_answers {
  pid_t parent = getppid();
  utsname name{};
  std::string shell;
  native_answers() {
    uname(&name);
    shell = first_line("echo $PPID-$0");
  }
  static std::string first_line(const char* command) {
    FILE* f = popen(command, "r");
    char line[200] = "";
    if (f == nullptr || fgets(line, sizeof line, f) == nullptr) return "nothing";
    pclose(f);
    return line;
  }
};

options everything() {
  options o;
  o.wanted = [](long) { return true; };
  return o;
}

// Patches on first use, after the answers of the untouched libc were taken.
struct redirected_process {
  native_answers native;
  result first = patch_all_objects(everything());
};
const redirected_process& process() {
  static const redirected_process p;
  return p;
}

long calls;
RUNTIME_PATH verdict count_and_pass(call_frame*, long) {
  ++calls;
  return {0, 1};
}
RUNTIME_PATH verdict count_and_do_it(call_frame* f, long nr) {
  ++calls;
  return {weft::sys::call6(nr, f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9), 0};
}

struct with_handler {
  long nr;
  with_handler(long n, handler h) : nr(n) {
    process();
    calls = 0;
    set_handler(n, h);
  }
  ~with_handler() { set_handler(nr, nullptr); }
};

}  // namespace

TEST_CASE("every site of libc is redirected, or left alone for a named reason") {
  const result& r = process().first;
  REQUIRE_MESSAGE(r.code == error::none, r.text);
  CHECK(active());
  int sites_of_libc = 0, redirected = 0, stubs = 0;
  for (const site_report& s : sites()) {
    if (!s.object.starts_with("libc.so")) continue;
    ++sites_of_libc;
    if (s.patched) ++redirected;
    else if (s.what.state == site_state::signal_return) ++stubs;
    else FAIL_CHECK("site at offset " << s.what.offset << ", call " << s.what.nr << ": " << describe(s.what.state));
  }
  MESSAGE("libc: " << sites_of_libc << " sites, " << redirected << " redirected; scan " << r.scan_ns / 1000 << " us, patch "
                   << r.patch_ns / 1000 << " us");
  CHECK(sites_of_libc > 300);
  CHECK(stubs == 1);
  CHECK(redirected == sites_of_libc - 1);
  CHECK(r.unpatchable == 0);
  CHECK(r.sites == r.patched + r.left_alone);
}

TEST_CASE("the loader, the vDSO and the object Weft lives in are skipped, and said so") {
  process();
  int skipped = 0;
  for (const object_report& o : report()) {
    const bool of_loader = o.path.find("ld-linux") != std::string::npos, vdso = o.path.find("vdso") != std::string::npos;
    if (!of_loader && !vdso && !o.path.empty()) continue;
    ++skipped;
    CHECK(o.skipped != nullptr);
    CHECK(o.patched == 0);
  }
  CHECK(skipped == 3);
}

TEST_CASE("patching again changes nothing") {
  process();
  const result again = patch_all_objects(everything());
  CHECK(again.code == error::none);
  CHECK(again.newly_patched == 0);
  CHECK(again.patched == process().first.patched);
  const result named = patch_object_named("libc.so", everything());
  CHECK(named.code == error::none);
  CHECK(named.newly_patched == 0);
  CHECK(named.sites == again.sites);
  CHECK(patch_object_at(dlsym(RTLD_DEFAULT, "getppid"), everything()).sites == again.sites);
}

TEST_CASE("asking for an object that is not there, or never patched, is a named error") {
  CHECK(patch_object_named("libnothing.so").code == error::no_such_object);
  CHECK(patch_object_named("ld-linux").code == error::no_such_object);
}

TEST_CASE("no memory is left writable and executable") {
  process();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) CHECK_MESSAGE(line.find(" rwx") == std::string::npos, line);
}

TEST_CASE("calls answer as they did before") {
  CHECK(getppid() == process().native.parent);
  utsname now{};
  CHECK(uname(&now) == 0);
  CHECK(std::memcmp(&now, &process().native.name, sizeof now) == 0);
  errno = 0;
  CHECK(close(-1) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("handlers see the calls of libc's own functions and may answer them") {
  {
    const with_handler h(SYS_getppid, count_and_do_it);
    CHECK(getppid() == process().native.parent);
    CHECK(syscall(SYS_getppid) == process().native.parent);  // number known only at run time
    CHECK(calls == 2);
  }
  {
    const with_handler h(SYS_uname, count_and_pass);
    utsname now{};
    CHECK(uname(&now) == 0);
    CHECK(std::memcmp(&now, &process().native.name, sizeof now) == 0);
    CHECK(calls == 1);
  }
  const with_handler h(SYS_read, count_and_do_it);
  CHECK(native_answers::first_line("echo $PPID-$0") == process().native.shell);  // fgets never passes through `read`
  CHECK(calls >= 1);
}

TEST_CASE("an error answered by a handler becomes errno") {
  const with_handler h(SYS_getpgid, [](call_frame*, long) RUNTIME_PATH { return verdict{-ENOTTY, 0}; });
  errno = 0;
  CHECK(getpgid(0) == -1);
  CHECK(errno == ENOTTY);
}

namespace {
int exit_code_of(pid_t child) {
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A function of its own: what its caller keeps in registers is none of the child's business.
__attribute__((noinline)) pid_t vfork_a_shell(volatile int* shared) {
  const pid_t child = vfork();
  if (child == 0) {
    *shared = 1;
    execl("/bin/sh", "sh", "-c", "exit 9", static_cast<char*>(nullptr));
    _exit(1);
  }
  return child;
}

void start_processes_in_every_way() {
  const pid_t forked = fork();
  if (forked == 0) _exit(getppid() > 0 ? 7 : 8);
  CHECK(exit_code_of(forked) == 7);
  volatile int shared = 0;
  CHECK(exit_code_of(vfork_a_shell(&shared)) == 9);
  CHECK(shared == 1);
  char* argv[] = {const_cast<char*>("sh"), const_cast<char*>("-c"), const_cast<char*>("exit 11"), nullptr};
  pid_t spawned = -1;
  CHECK(posix_spawn(&spawned, "/bin/sh", nullptr, nullptr, argv, environ) == 0);
  CHECK(exit_code_of(spawned) == 11);
  CHECK(WEXITSTATUS(system("exit 13")) == 13);
}
}  // namespace

TEST_CASE("fork, vfork, posix_spawn and system start processes") {
  process();
  start_processes_in_every_way();
}

TEST_CASE("fork, vfork, posix_spawn and system start processes past handlers that pass") {
  const with_handler a(SYS_vfork, count_and_pass), b(SYS_clone, count_and_pass), c(SYS_clone3, count_and_pass),
      d(SYS_wait4, count_and_pass), e(SYS_execve, count_and_pass);
  start_processes_in_every_way();
  CHECK(calls >= 8);  // four starts, four waits, and what vfork's child did in our memory
}

TEST_CASE("threads start, synchronise and end") {
  process();
  std::mutex m;
  long sum = 0;
  std::vector<std::thread> threads;
  for (int k = 0; k < 8; ++k)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        const std::lock_guard lock(m);
        ++sum;
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(sum == 8000);
}

namespace {
volatile sig_atomic_t signals_seen;
void count_signal(int) { signals_seen = signals_seen + 1; }
sigjmp_buf escape;
}  // namespace

TEST_CASE("signal handlers run and return, also in the middle of a blocked call") {
  process();
  signals_seen = 0;
  struct sigaction action{}, before{};
  action.sa_handler = count_signal;
  sigaction(SIGUSR1, &action, &before);
  raise(SIGUSR1);
  CHECK(signals_seen == 1);
  pipe_pair p;
  // Blocked without SA_RESTART: EINTR. The signal comes from a thread, again and again, so that none is early.
  const auto poke_until = [](const bool& done, pthread_t whom) {
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
      pthread_kill(whom, SIGUSR1);
      sched_yield();
    }
  };
  bool done = false;
  std::thread poker([&, self = pthread_self()] { poke_until(done, self); });
  char byte;
  errno = 0;
  CHECK(read(p.ends[0], &byte, 1) == -1);
  CHECK(errno == EINTR);
  __atomic_store_n(&done, true, __ATOMIC_RELEASE);
  poker.join();
  // With SA_RESTART the kernel executes the syscall in the trampoline once more.
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  done = false;
  std::thread writer([&, self = pthread_self()] {
    for (int k = 0; k < 50; ++k) pthread_kill(self, SIGUSR1), sched_yield();
    CHECK(write(p.ends[1], "x", 1) == 1);
  });
  CHECK(read(p.ends[0], &byte, 1) == 1);
  CHECK(byte == 'x');
  writer.join();
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("siglongjmp leaves a call that a signal interrupted in the trampoline") {
  process();
  struct sigaction action{}, before{};
  action.sa_handler = [](int) { siglongjmp(escape, 1); };
  sigaction(SIGALRM, &action, &before);
  pipe_pair p;
  char byte;
  if (sigsetjmp(escape, 1) == 0) {
    itimerval soon{{0, 0}, {0, 1000}};
    setitimer(ITIMER_REAL, &soon, nullptr);
    for (;;) (void)!read(p.ends[0], &byte, 1);
  }
  sigaction(SIGALRM, &before, nullptr);
  CHECK(getppid() == process().native.parent);
}

namespace {
struct thrown {
  int value;
};
verdict throw_it(call_frame*, long) { throw thrown{5}; }
// Declared noexcept by libc; called through this the compiler believes in a way out.
pid_t (*volatile call_getppid)() = getppid;

int frames;
bool reached_main;
_Unwind_Reason_Code count_frame(_Unwind_Context* c, void*) {
  ++frames;
  if (_Unwind_FindEnclosingFunction(reinterpret_cast<void*>(_Unwind_GetIP(c) - 1)) == reinterpret_cast<void*>(&main))
    reached_main = true;
  return _URC_NO_REASON;
}
verdict walk_stack(call_frame*, long) {
  frames = 0;
  reached_main = false;
  _Unwind_Backtrace(count_frame, nullptr);
  return {77, 0};
}
}  // namespace

TEST_CASE("an exception thrown by a handler is caught by the caller of the libc function") {
  const with_handler h(SYS_getppid, throw_it);
  int caught = 0;
  long local = 1234;
  try {
    call_getppid();
  } catch (const thrown& t) {
    caught = t.value;
  }
  CHECK(caught == 5);
  CHECK(local == 1234);
}

TEST_CASE("a stack walk from a handler reaches main") {
  const with_handler h(SYS_getppid, walk_stack);
  CHECK(call_getppid() == 77);
  CHECK(frames > 5);
  CHECK(reached_main);
}

TEST_CASE("a stack walk from a signal handler that interrupted a redirected call reaches main") {
  for (int round = 0; round < 2; ++round) {
    const with_handler h(SYS_read, round == 0 ? nullptr : count_and_pass);
    struct sigaction action{}, before{};
    action.sa_handler = [](int) {
      reached_main = false;
      _Unwind_Backtrace(count_frame, nullptr);
    };
    sigaction(SIGALRM, &action, &before);
    reached_main = false;
    pipe_pair p;
    char byte;
    itimerval soon{{0, 1000}, {0, 1000}}, never{};
    setitimer(ITIMER_REAL, &soon, nullptr);
    CHECK(read(p.ends[0], &byte, 1) == -1);  // the first tick ends it
    setitimer(ITIMER_REAL, &never, nullptr);
    CHECK(reached_main);
    sigaction(SIGALRM, &before, nullptr);
  }
}

namespace {
struct on_scope_exit {
  bool& flag;
  ~on_scope_exit() { __atomic_store_n(&flag, true, __ATOMIC_RELEASE); }
};
struct cancelled_reader {
  int fd;
  bool about_to_read = false, unwound = false;
  static void* run(void* p) {
    auto* self = static_cast<cancelled_reader*>(p);
    const on_scope_exit guard{self->unwound};
    __atomic_store_n(&self->about_to_read, true, __ATOMIC_RELEASE);
    char byte;
    (void)!read(self->fd, &byte, 1);
    return nullptr;
  }
};

// Waits until the thread is in the kernel, or close to it; wrong at most in favour of a test that passes.
void wait_until_blocked(const bool& about) {
  while (!__atomic_load_n(&about, __ATOMIC_ACQUIRE)) sched_yield();
  for (int k = 0; k < 200; ++k) sched_yield();
}
}  // namespace

TEST_CASE("cancelling a thread blocked in a redirected read runs the destructors on its stack") {
  for (const handler h : {handler(nullptr), handler(count_and_pass), handler(count_and_do_it)}) {
    const with_handler with(SYS_read, h);
    pipe_pair p;
    cancelled_reader reader{p.ends[0]};
    pthread_t t;
    REQUIRE(pthread_create(&t, nullptr, cancelled_reader::run, &reader) == 0);
    wait_until_blocked(reader.about_to_read);
    CHECK(pthread_cancel(t) == 0);
    void* how = nullptr;
    CHECK(pthread_join(t, &how) == 0);
    CHECK(how == PTHREAD_CANCELED);
    CHECK(reader.unwound);
  }
}

namespace {
// Two fibers that read pipes; the handler parks the reader by switching stacks, as the hub does.
ucontext_t scheduler, fibers[2];
int current = -1;
std::string got[2];
pipe_pair* pipes;
verdict park_in_read(call_frame* f, long) {
  if (current < 0) return {0, 1};
  for (;;) {
    pollfd p{static_cast<int>(f->rdi), POLLIN, 0};
    if (weft::sys::raw(SYS_poll, &p, 1, 0) == 1) return {weft::sys::raw(SYS_read, f->rdi, f->rsi, f->rdx), 0};
    swapcontext(&fibers[current], &scheduler);
  }
}
void reader_fiber(int k) {
  char byte;
  while (read(pipes[k].ends[0], &byte, 1) == 1 && byte != '.') got[k] += byte;
}

// A function of its own: getcontext returns twice for all the compiler knows, and nothing here lives across it.
void start_reader(int k) {
  static char stacks[2][65536];
  getcontext(&fibers[k]);
  fibers[k].uc_stack = {stacks[k], 0, sizeof stacks[k]};
  fibers[k].uc_link = &scheduler;
  makecontext(&fibers[k], reinterpret_cast<void (*)()>(reader_fiber), 1, k);
}
}  // namespace

TEST_CASE("a handler may switch to another stack and answer later") {
  pipe_pair two[2];
  pipes = two;
  const with_handler h(SYS_read, park_in_read);
  start_reader(0);
  start_reader(1);
  const auto resume = [](int k) {
    current = k;
    swapcontext(&scheduler, &fibers[k]);
    current = -1;
  };
  resume(0);
  resume(1);
  for (const char c : {'a', 'b', '.'}) {
    for (int k : {1, 0}) {
      CHECK(write(two[k].ends[1], &c, 1) == 1);
      resume(k);
    }
  }
  CHECK(got[0] == "ab");
  CHECK(got[1] == "ab");
}
