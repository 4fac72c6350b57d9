// What Ctrl-C does: each case runs this program again, since most end it.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "child.hpp"
#include "weft/cancel.hpp"
#include "weft/error.hpp"
#include "weft/event.hpp"
#include "weft/fiber.hpp"
#include "weft/signal.hpp"

using namespace std::chrono_literals;

namespace {

// Doctest handles SIGINT and catches everything; a program does neither. To be called before the first use of Weft.
void like_a_program() { std::signal(SIGINT, SIG_DFL); }

// As at the end of main: what gets out of here ends the process. (Leaving a noexcept function would do, but under ThreadSanitizer the
// terminate handler is then not told of the exception.)
template <class F>
void as_main(F&& fn) {
  try {
    fn();
  } catch (...) {
    std::terminate();
  }
}

void say(const char* text) {
  std::fputs(text, stdout);
  std::fputc('\n', stdout);
}

struct says_goodbye {
  ~says_goodbye() { say("unwound"); }
};

bool sigint_is_default() {
  struct sigaction now {};
  sigaction(SIGINT, nullptr, &now);
  return now.sa_handler == SIG_DFL;
}

}  // namespace

TEST_CASE("in: uncaught" * doctest::skip()) {
  like_a_program();
  std::atexit([] { say("at exit"); });
  as_main([] {
    weft::spawn([] {
      says_goodbye goodbye;
      weft::this_fiber::sleep_for(1h);
    });
    weft::this_fiber::yield();
    raise(SIGINT);
    weft::this_fiber::sleep_for(1h);
  });
}

TEST_CASE("a main that ends by an interrupt dies of SIGINT, after its fibers and atexit handlers") {
  const auto r = weft_test::run_self("in: uncaught");
  CHECK(r.signal == SIGINT);
  CHECK(r.out.find("unwound\nat exit\n") != std::string::npos);
  CHECK(r.err == "");
}

TEST_CASE("a shell sees status 130") {
  const std::string self = "/proc/" + std::to_string(getpid()) + "/exe";
  const auto r = weft_test::run_program({"sh", "-c", self + " --no-skip '--test-case=in: uncaught'; echo status $?"});
  CHECK(r.exit_code == 0);
  CHECK(r.out.find("status 130\n") != std::string::npos);
}

TEST_CASE("in: caught" * doctest::skip()) {
  like_a_program();
  weft::event never;
  try {
    raise(SIGINT);
    never.wait();
  } catch (const weft::cancelled&) {
    say("cancelled");
  }
  try {
    weft::this_fiber::yield();
  } catch (const weft::cancelled&) {
    say("sticky");
  }
}

TEST_CASE("an interrupt cancels main, which may catch that and end as it likes") {
  const auto r = weft_test::run_self("in: caught");
  CHECK(r.exit_code == 0);
  CHECK(r.out.find("cancelled\nsticky\n") != std::string::npos);
}

TEST_CASE("in: twice" * doctest::skip()) {
  like_a_program();
  weft::this_fiber::yield();
  raise(SIGINT);
  std::fputs("alive after the first\n", stderr);
  raise(SIGINT);
  std::fputs("alive after the second\n", stderr);
}

TEST_CASE("a second interrupt before the first was delivered ends the process at once") {
  const auto r = weft_test::run_self("in: twice");
  CHECK(r.signal == SIGINT);
  CHECK(r.err == "alive after the first\n");
}

TEST_CASE("in: no hub" * doctest::skip()) {
  like_a_program();
  raise(SIGINT);  // no hub yet: the default
}

TEST_CASE("without a hub SIGINT does what it always did") {
  CHECK(weft_test::run_self("in: no hub").signal == SIGINT);
}

TEST_CASE("in: listening" * doctest::skip()) {
  like_a_program();
  weft::this_fiber::yield();
  {
    weft::signal_receiver r(SIGINT);
    raise(SIGINT);
    CHECK(r.wait() == SIGINT);
    raise(SIGINT);
    CHECK(r.wait() == SIGINT);
  }
  CHECK(!sigint_is_default());
  raise(SIGINT);
  CHECK_THROWS_AS(weft::this_fiber::sleep_for(1h), weft::cancelled);
}

TEST_CASE("who listens to SIGINT is told instead of main, and main again afterwards") {
  const auto r = weft_test::run_self("in: listening");
  CHECK(r.exit_code == 0);
}

TEST_CASE("in: own handler" * doctest::skip()) {
  like_a_program();
  weft::this_fiber::yield();
  CHECK(!sigint_is_default());
  std::signal(SIGINT, [](int) { std::_Exit(7); });
  raise(SIGINT);
}

TEST_CASE("a handler of the program's own is left alone") {
  CHECK(weft_test::run_self("in: own handler").exit_code == 7);
}

TEST_CASE("in: ignored" * doctest::skip()) {
  std::signal(SIGINT, SIG_IGN);
  weft::this_fiber::yield();
  raise(SIGINT);
  weft::this_fiber::sleep_for(1ms);
  CHECK(!sigint_is_default());
}

TEST_CASE("an ignored SIGINT stays ignored") { CHECK(weft_test::run_self("in: ignored").exit_code == 0); }

TEST_CASE("in: other thread" * doctest::skip()) {
  like_a_program();
  std::thread([] {
    weft::this_fiber::yield();
    CHECK(sigint_is_default());
  }).join();
  weft::this_fiber::yield();
  CHECK(!sigint_is_default());
}

TEST_CASE("only the main thread's hub takes SIGINT") { CHECK(weft_test::run_self("in: other thread").exit_code == 0); }

TEST_CASE("in: not by an interrupt" * doctest::skip()) {
  like_a_program();
  std::set_terminate([] { std::_Exit(9); });
  weft::this_fiber::yield();
  as_main([] { throw weft::cancelled(); });
}

TEST_CASE("other ends of main reach the terminate handler of before") {
  CHECK(weft_test::run_self("in: not by an interrupt").exit_code == 9);
}

TEST_CASE("in: in a shield" * doctest::skip()) {
  like_a_program();
  weft::event set_later;
  weft::spawn([&] { set_later.set(); });
  raise(SIGINT);
  as_main([&] {
    weft::shield([&] { set_later.wait(); });
    say("the shield held");
    weft::this_fiber::yield();
  });
}

TEST_CASE("a shield in main holds an interrupt back until it ends") {
  const auto r = weft_test::run_self("in: in a shield");
  CHECK(r.signal == SIGINT);
  CHECK(r.out.find("the shield held\n") != std::string::npos);
}
