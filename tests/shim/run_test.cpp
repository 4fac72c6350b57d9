// `weft run`: its options become the environment of the program, and everything else is the program's own.
#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "child.hpp"

using weft_test::child_result;
using weft_test::run_program;

namespace {

// Nothing of Weft comes from outside; the cache of the machine's user is left alone.
const std::vector<std::string> clean = {"LD_PRELOAD",  "WEFT_CACHE=off",   "WEFT_DEBUG",       "WEFT_MODE",     "WEFT_STRICT",
                                        "WEFT_STATS",  "WEFT_WATCHDOG",    "WEFT_GREEN_STACK", "WEFT_CHILDREN", "WEFT_OFF",
                                        "WEFT_SHIM",   "WEFT_LIBRARY",     "WEFT_DNS_SERVER",  "WEFT_POLLER",   "WEFT_WITHOUT",
                                        "WEFT_COMMAND", "WEFT_SOURCE_ROOT", "WEFT_INLINE_SYSCALL"};

child_result weft_run(std::vector<std::string> words, const std::vector<std::string>& changes = {}) {
  words.insert(words.begin(), {std::getenv("WEFT_COMMAND"), "run"});
  std::vector<std::string> all = clean;
  for (const std::string& change : changes) {
    std::erase_if(all, [&](const std::string& c) { return c.substr(0, c.find('=')) == change.substr(0, change.find('=')); });
    all.push_back(change);
  }
  return run_program(words, all);
}

// The lines of `text` that begin with `start`, without it.
std::string value_of(const std::string& text, const std::string& start) {
  const std::size_t at = ("\n" + text).find("\n" + start);
  if (at == std::string::npos) return "(none)";
  return text.substr(at + start.size(), text.find('\n', at) - at - start.size());
}

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace

TEST_CASE("without options the mode is green and nothing else is set") {
  const child_result r = weft_run({"--", "env"});
  CHECK(r.exit_code == 0);
  CHECK(value_of(r.out, "WEFT_MODE=") == "green");
  CHECK(value_of(r.out, "LD_PRELOAD=").find("/libweft-shim.so") != std::string::npos);
  for (const char* name : {"WEFT_STATS=", "WEFT_WATCHDOG=", "WEFT_GREEN_STACK=", "WEFT_STRICT=", "WEFT_DEBUG=", "WEFT_CHILDREN="})
    CHECK(value_of(r.out, name) == "(none)");
}

TEST_CASE("each option sets its variable") {
  const child_result r = weft_run({"--mode=fibers", "--stack-size", "256k", "--watchdog", "5000", "--strict", "--", "env"});
  CHECK(r.exit_code == 0);
  CHECK(value_of(r.out, "WEFT_MODE=") == "fibers");
  CHECK(value_of(r.out, "WEFT_GREEN_STACK=") == "262144");
  CHECK(value_of(r.out, "WEFT_WATCHDOG=") == "5000");
  CHECK(value_of(r.out, "WEFT_STRICT=") == "1");
  const child_result stats = weft_run({"--stats", "--", "sh", "-c", "echo $$; env"});
  CHECK(value_of(stats.out, "WEFT_STATS=") == stats.out.substr(0, stats.out.find('\n')));
  CHECK(value_of(weft_run({"-v", "--", "env"}).out, "WEFT_DEBUG=") == "1");
}

TEST_CASE("a wrong option starts nothing") {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--mode=red"}, {"--carriers", "0"}, {"--carriers", "many"}, {"--stack-size", "1k"}, {"--stack-size", "big"},
           {"--watchdog", "0"}, {"--strict", "--native-on-doubt"}, {"--no-such-option"}}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--", "echo", "started"});
    CAPTURE(words[0]);
    const child_result r = weft_run(all);
    CHECK(r.exit_code != 0);
    CHECK(r.out.empty());
    CHECK(!r.err.empty());
  }
  CHECK(weft_run({}).exit_code != 0);
}

TEST_CASE("more carriers than one are taken back with one line") {
  const child_result r = weft_run({"--carriers", "4", "--", "echo", "on"});
  CHECK(r.exit_code == 0);
  CHECK(r.out == "on\n");
  CHECK(r.err == "weft: --carriers 4: there is one carrier so far, the program runs on that\n");
  CHECK(weft_run({"--carriers", "1", "--", "true"}).err.empty());
}

TEST_CASE("words after the program are the program's, options of the same names included") {
  const child_result r = weft_run({"printf", "%s.", "--strict", "--mode=red", "--", "-v"});
  CHECK(r.exit_code == 0);
  CHECK(r.out == "--strict.--mode=red.--.-v.");
}

TEST_CASE("exit status, deadly signals and standard input and output pass through") {
  CHECK(weft_run({"--", "sh", "-c", "exit 37"}).exit_code == 37);
  CHECK(weft_run({"--", "sh", "-c", "kill -TERM $$"}).signal == SIGTERM);
  CHECK(weft_run({"--", "sh", "-c", "kill -SEGV $$"}).signal == SIGSEGV);
  const std::string run = std::string(std::getenv("WEFT_COMMAND")) + " run -- ";
  const child_result piped = run_program({"sh", "-c", "echo through | " + run + "cat; " + run + "sh -c 'echo told >&2'"}, clean);
  CHECK(piped.out == "through\n");
  CHECK(piped.err == "told\n");
}

TEST_CASE("the program keeps the process of the command") {
  const std::string run = std::string(std::getenv("WEFT_COMMAND")) + " run -- ";
  const child_result r = run_program({"sh", "-c", "exec " + run + "sh -c 'echo $$ $PPID'"}, clean);
  CHECK(r.out.substr(r.out.find(' ')) == " " + std::to_string(getpid()) + "\n");
}

TEST_CASE("children inherit Weft") {
  const child_result r = weft_run({"-v", "--", "sh", "-c", "env; true"});
  CHECK(value_of(r.out, "WEFT_MODE=") == "green");
  CHECK(r.err.find("call sites patched") != r.err.rfind("call sites patched"));  // twice: the shell, and env
}

TEST_CASE("with --no-children they run without Weft, and without its variables") {
  const child_result r = weft_run({"--no-children", "-v", "--", "sh", "-c", "env; true"}, {"WEFT_POLLER=epoll", "OTHER=kept"});
  CHECK(r.exit_code == 0);
  CHECK(r.out.find("WEFT_") == std::string::npos);
  CHECK(value_of(r.out, "LD_PRELOAD=") == "(none)");
  CHECK(value_of(r.out, "OTHER=") == "kept");
  const std::size_t first = r.err.find("call sites patched");
  REQUIRE(first != std::string::npos);  // the shell itself has it
  CHECK(first == r.err.rfind("call sites patched"));
}

TEST_CASE("with --no-children other preloaded objects stay for the children") {
  // libc is in every process anyway, so that preloading it changes nothing.
  const child_result r = run_program({std::getenv("WEFT_COMMAND"), "run", "--no-children", "--", "sh", "-c", "env; true"},
                                     {"LD_PRELOAD=libc.so.6 libdl.so.2", "WEFT_CACHE=off"});
  CHECK(value_of(r.out, "LD_PRELOAD=") == "libc.so.6:libdl.so.2");
}

TEST_CASE("the size of a thread's stack" * doctest::skip()) {
  pthread_attr_t attributes;
  std::size_t named = 0;
  pthread_attr_init(&attributes);
  pthread_attr_getstacksize(&attributes, &named);
  pthread_t thread;
  std::size_t real = 0;
  REQUIRE(pthread_create(&thread, nullptr, [](void* into) -> void* {
    pthread_attr_t own;
    pthread_getattr_np(pthread_self(), &own);
    pthread_attr_getstacksize(&own, static_cast<std::size_t*>(into));
    pthread_attr_destroy(&own);
    return nullptr;
  }, &real) == 0);
  pthread_join(thread, nullptr);
  std::printf("\nnamed=%zu\nreal=%zu\n", named, real);
}

TEST_CASE("--stack-size is the size of stacks that nobody names") {
  const std::vector<std::string> self = {"--", own_path(), "--no-skip", "--test-case=the size of a thread's stack"};
  for (const auto& [option, bytes] : {std::pair{"256k", "262144"}, std::pair{"3M", "3145728"}}) {
    std::vector<std::string> words = {"--stack-size", option};
    words.insert(words.end(), self.begin(), self.end());
    const child_result r = weft_run(words);
    CHECK(r.exit_code == 0);
    CHECK(value_of(r.out, "named=") == bytes);
    CHECK(value_of(r.out, "real=") == bytes);
  }
  const child_result wrong = weft_run({"--", "true"}, {"WEFT_GREEN_STACK=many"});
  CHECK(wrong.exit_code == 0);
  CHECK(wrong.err.find("WEFT_GREEN_STACK=many") != std::string::npos);
}

TEST_CASE("three threads, one after the other" * doctest::skip()) {
  for (int i = 0; i < 3; ++i) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, nullptr, [](void*) -> void* { usleep(1000); return nullptr; }, nullptr) == 0);
    REQUIRE(pthread_join(thread, nullptr) == 0);
  }
}

namespace {

// The number in the table's line that begins with `label`, without commas.
std::string figure(const std::string& table, const std::string& label) {
  std::string number;
  for (const char c : value_of(table, "  " + label))
    if (c >= '0' && c <= '9') number += c;
  return number;
}

}  // namespace

TEST_CASE("--stats prints a table of the program at its end, and of children that made threads") {
  const child_result r = weft_run({"--stats", "--", own_path(), "--no-skip", "--test-case=three threads\\, one after the other"});
  CHECK(r.exit_code == 0);
  CHECK(r.err.find("weft: what shim_run (process ") != std::string::npos);
  CHECK(figure(r.err, "green threads created") == "3");
  CHECK(figure(r.err, "most alive at once, main included") == "2");
  CHECK(figure(r.err, "carriers") == "1");
  CHECK(figure(r.err, "OS threads at the end") != "0");
  CHECK(figure(r.err, "system call sites patched") != "0");
  CHECK(r.err.find("  sleep\n") != std::string::npos);

  const std::string program = own_path() + " --no-skip '--test-case=three threads\\, one after the other' > /dev/null";
  const child_result shell = weft_run({"--stats", "--", "sh", "-c", "(true); env true; " + program + "; true"});
  CHECK(shell.exit_code == 0);
  CHECK(shell.err.find("weft: what env") == std::string::npos);
  const std::size_t of_program = shell.err.find("weft: what shim_run"), of_shell = shell.err.find("weft: what sh (");
  REQUIRE(of_program != std::string::npos);
  REQUIRE(of_shell != std::string::npos);
  CHECK(shell.err.find("weft: what sh (", of_shell + 1) == std::string::npos);
  CHECK(figure(shell.err.substr(of_shell), "green threads created") == "0");
}

TEST_CASE("a process with a thread ends as it is told" * doctest::skip()) {
  const std::string how = std::getenv("TEST_END");
  static int woken[2];
  REQUIRE(pipe(woken) == 0);
  pthread_t thread;
  const auto wait = [](void* arg) -> void* { char c; return read(woken[0], &c, 1) == 1 ? arg : nullptr; };
  // What natively dumps a core here ends with the same signal without one.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (how.starts_with("child")) {
    const pid_t child = fork();
    if (child != 0) {
      int status = 0;
      waitpid(child, &status, 0);
      std::printf("\nchild=%d\n", status & ~0x80);  // without the bit of a core: a machine that pipes cores makes one
      std::fflush(stdout);
      _exit(0);
    }
  }
  REQUIRE(pthread_create(&thread, nullptr, wait, nullptr) == 0);
  // doctest handles deadly signals itself.
  for (const int number : {SIGABRT, SIGTERM, SIGSEGV, SIGILL}) signal(number, SIG_DFL);
  if (how.ends_with("abort")) std::abort();
  if (how.ends_with("_exit")) _exit(5);
  if (how.ends_with("trap")) __builtin_trap();
  if (how.ends_with("term")) kill(getpid(), SIGTERM);
  if (how.ends_with("raise")) raise(SIGUSR2);
  for (;;) pause();
}

TEST_CASE("--stats prints the table of a process that a signal or _exit ends, and of a child that makes its own first thread") {
  const auto play = [](const std::string& how) {
    return weft_run({"--stats", "--", own_path(), "--no-skip", "--test-case=a process with a thread ends as it is told"},
                    {"TEST_END=" + how});
  };
  for (const auto& [how, signal] : {std::pair{"abort", SIGABRT}, std::pair{"term", SIGTERM}, std::pair{"trap", SIGILL},
                                    std::pair{"raise", SIGUSR2}}) {
    const std::string ending = how;  // clang 14 lets no lambda have a structured binding
    CAPTURE(ending);
    const child_result r = play(how);
    CHECK(r.signal == signal);
    CHECK(figure(r.err, "green threads created") == "1");
    CHECK(r.err.find("weft: what") == r.err.rfind("weft: what"));
  }
  const child_result child = play("child and _exit");
  CHECK(value_of(child.out, "child=") == std::to_string(5 << 8));
  CHECK(figure(child.err, "green threads created") == "1");
  const child_result aborted = play("child and abort");
  CHECK(value_of(aborted.out, "child=") == std::to_string(SIGABRT));
  CHECK(figure(aborted.err, "green threads created") == "1");
}
