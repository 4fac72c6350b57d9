// weft::process against real programs of the system: sh, cat, sleep.
#include <doctest/doctest.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <set>
#include <system_error>

#include "weft/fiber.hpp"
#include "weft/process.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::redirect;

namespace {

weft::process shell(const char* script, weft::process_options options = {}) {
  return weft::process({"sh", "-c", script}, options);
}

const weft::process_options all_pipes{.in = redirect::pipe(), .out = redirect::pipe(), .err = redirect::pipe()};

// Descriptors that the program may know of: Weft's own are high up and stay.
std::set<int> open_descriptors() {
  std::set<int> all;
  DIR* d = opendir("/proc/self/fd");
  while (const dirent* e = readdir(d))
    if (const int fd = std::atoi(e->d_name); e->d_name[0] != '.' && fd != dirfd(d)) all.insert(fd);
  closedir(d);
  return all;
}

bool gone(pid_t pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

}  // namespace

TEST_CASE("a child is started, written to, read from and waited for") {
  weft::this_fiber::sleep_for(1ms);
  const auto before = open_descriptors();
  {
    weft::process p({"cat"}, {.in = redirect::pipe(), .out = redirect::pipe()});
    p.in().write_all("one\ntwo\n");
    CHECK(p.out().read_line() == "one");
    CHECK_FALSE(p.poll());
    p.in().close();
    CHECK(p.out().read_line() == "two");
    CHECK_FALSE(p.out().read_line());
    const weft::exit_status s = p.wait();
    CHECK(s.success());
    CHECK(s.to_string() == "exit code 0");
    CHECK(p.wait().success());
    CHECK(p.poll().has_value());
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("exit codes and signals are told apart") {
  CHECK(shell("exit 7").wait().code() == 7);
  const weft::exit_status s = shell("kill -KILL $$").wait();
  CHECK(s.code() == -1);
  CHECK(s.signal() == SIGKILL);
  CHECK(s.to_string() == "signal 9 (Killed)");
  CHECK_FALSE(s.success());
}

TEST_CASE("communicate fills all pipes at once without a deadlock") {
  const std::string much(1u << 20, 'x');
  auto p = shell("cat & cat /dev/zero | head -c 300000 >&2; wait", all_pipes);
  // sh gives background commands /dev/null: the words come through a plain cat.
  auto q = weft::process({"cat"}, all_pipes);
  auto first = weft::spawn([&] { return p.communicate(much); });
  const auto second = q.communicate(much);
  CHECK(second.out == much);
  CHECK(second.err.empty());
  const auto r = first.get();
  CHECK(r.err.size() == 300'000);
  CHECK(r.status.success());
}

TEST_CASE("a child that does not read its input to the end is no error, and raises no SIGPIPE") {
  std::signal(SIGPIPE, SIG_DFL);
  const std::string much(1u << 20, 'x');
  const auto r = weft::run_process({"head", "-c", "3"}, much);
  CHECK(r.out == "xxx");
  CHECK(r.status.success());
}

TEST_CASE("a timeout leaves the child running, and nothing is lost") {
  auto p = shell("echo first; read line; echo $line", all_pipes);
  const std::string input = "second\n";
  CHECK_FALSE(shell("exec sleep 100").wait_for(20ms));  // or it would outlive the shell, and hold our output open
  // It goes on when there is a file of that name, and not before.
  char folder[] = "/tmp/weft-process-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string go = std::string(folder) + "/go", script = "echo first; while ! test -e " + go + "; do sleep 0.02; done; cat";
  auto late = shell(script.c_str(), all_pipes);
  CHECK_FALSE(late.communicate_for(50ms, input));
  CHECK_FALSE(late.poll());
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  const auto r = late.communicate(input);
  CHECK(r.out == "first\nsecond\n");
  unlink(go.c_str());
  rmdir(folder);
  CHECK(p.communicate(input).out == "first\nsecond\n");
}

TEST_CASE("a cancelled run kills its child and waits for its end") {
  pid_t pid = -1;
  auto f = weft::spawn([&] {
    weft::process p({"sleep", "100"}, {.out = redirect::pipe()});
    pid = p.pid();
    p.communicate();
  });
  weft::testing::wait_all_blocked();
  f.kill();
  CHECK(pid > 0);
  CHECK(gone(pid));
}

TEST_CASE("children are killed, asked to end, or let go") {
  auto p = shell("exec sleep 100");
  p.terminate();
  CHECK(p.wait().signal() == SIGTERM);
  p.kill();  // is over: nothing
  pid_t pid;
  {
    auto q = shell("exec sleep 100");
    pid = q.pid();
  }
  CHECK(gone(pid));
  {
    auto q = shell("exec sleep 100");
    pid = q.detach();
  }
  CHECK_FALSE(gone(pid));
  ::kill(pid, SIGKILL);
  CHECK(::waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE("streams go where they are told") {
  char name[] = "/tmp/weft-process-XXXXXX";
  const int file = mkstemp(name);
  REQUIRE(file >= 0);
  shell("echo out; echo err >&2; cat", {.in = redirect::null(), .out = redirect::descriptor(file), .err = redirect::to_stdout()}).wait();
  char text[64] = "";
  CHECK(pread(file, text, sizeof text, 0) == 8);
  CHECK(std::strcmp(text, "out\nerr\n") == 0);
  close(file);
  unlink(name);
  // What is standard output here, though it is replaced there.
  const auto r = weft::run_process({"sh", "-c", "echo x >&2; echo y"}, {}, {.out = redirect::pipe(), .err = redirect::pipe()});
  CHECK(r.out == "y\n");
  CHECK(r.err == "x\n");
}

TEST_CASE("directory, environment, session and descriptors are as asked for") {
  const auto r = weft::run_process({"sh", "-c", "pwd; echo $ONE-$HOME; ls /proc/self/fd | wc -l; cut -d' ' -f5 /proc/$$/stat; echo $$"}, {},
                                   {.out = redirect::pipe(), .env = {{"ONE=1", "PATH=/usr/bin:/bin"}}, .cwd = "/usr", .new_group = true});
  std::vector<std::string> lines;
  for (std::size_t at = 0, end; (end = r.out.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(r.out.substr(at, end - at));
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "/usr");
  CHECK(lines[1] == "1-");
  CHECK(std::stoi(lines[2]) <= 4);  // three, and ls's own
  CHECK(lines[3] == lines[4]);      // the group is the child's own
  const int fd = ::open("/dev/null", O_RDONLY);
  const std::string look = "test -e /proc/self/fd/" + std::to_string(fd);
  CHECK_FALSE(weft::run_process({"sh", "-c", look}).status.success());
  CHECK(weft::run_process({"sh", "-c", look}, {}, {.close_others = false}).status.success());
  close(fd);
}

TEST_CASE("a program that cannot be started is named") {
  const auto before = open_descriptors();
  try {
    weft::process p({"no-such-program-here"}, all_pipes);
    CHECK(false);
  } catch (const std::system_error& e) {
    CHECK(e.code().value() == ENOENT);
    CHECK(std::string(e.what()).find("cannot start no-such-program-here") != std::string::npos);
  }
  CHECK_THROWS_AS(weft::process({"sh"}, {.cwd = "/no/such/place"}), std::system_error);
  CHECK_THROWS_AS(weft::process(std::vector<std::string>()), std::invalid_argument);
  CHECK_THROWS_AS(weft::process({"sh"}, {.in = redirect::to_stdout()}), std::invalid_argument);
  CHECK(open_descriptors() == before);
}

TEST_CASE("a fork's copy of the object leaves the child alone") {
  auto p = shell("exec sleep 100");
  const pid_t copy = fork();
  if (copy == 0) {
    { weft::process mine(std::move(p)); }
    _exit(0);
  }
  CHECK(::waitpid(copy, nullptr, 0) == copy);
  CHECK_FALSE(p.poll());
  p.kill();
  CHECK(p.wait().signal() == SIGKILL);
}

TEST_CASE("a status that somebody else collected is reported as such") {
  auto p = shell("exit 3");
  int status = 0;
  CHECK(::waitpid(p.pid(), &status, 0) == p.pid());
  CHECK_THROWS_WITH_AS(p.wait(), doctest::Contains("was collected elsewhere"), std::system_error);
}

TEST_CASE("several fibers wait for one child, and a hundred children run side by side") {
  auto p = shell("sleep 0.1; exit 4");
  auto other = weft::spawn([&] { return p.wait().code(); });
  CHECK(p.wait().code() == 4);
  CHECK(other.get() == 4);
  std::vector<weft::fiber<std::string>> all;
  for (int i = 0; i < 100; ++i)
    all.push_back(weft::spawn([i] {
      return weft::run_process({"sh", "-c", "read x; sleep 0.1; echo $x"}, std::to_string(i) + "\n").out;
    }));
  for (int i = 0; i < 100; ++i) CHECK(all[static_cast<std::size_t>(i)].get() == std::to_string(i) + "\n");
}
