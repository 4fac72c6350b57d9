// The lowest layer: features and how they are forced off, clocks, reports, bytes, raw calls.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "child.hpp"
#include "sys/clock.hpp"
#include "sys/features.hpp"
#include "sys/mem.hpp"
#include "sys/own_handlers.hpp"
#include "sys/process_mark.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace sys = weft::sys;

TEST_CASE("a raw call answers as the kernel does and leaves errno alone") {
  errno = 12345;
  CHECK(sys::raw(SYS_getpid) == getpid());
  CHECK(sys::raw(SYS_close, -1) == -EBADF);
  CHECK(sys::raw(SYS_read, 0, nullptr, 0) == 0);
  CHECK(errno == 12345);
}

TEST_CASE("the clocks are those of the C library") {
  timespec before{}, after{};
  clock_gettime(CLOCK_MONOTONIC, &before);
  const std::uint64_t now = sys::monotonic_ns();
  clock_gettime(CLOCK_MONOTONIC, &after);
  CHECK(now >= static_cast<std::uint64_t>(before.tv_sec) * sys::ns_per_s + static_cast<std::uint64_t>(before.tv_nsec));
  CHECK(now <= static_cast<std::uint64_t>(after.tv_sec) * sys::ns_per_s + static_cast<std::uint64_t>(after.tv_nsec));
  const timespec t = sys::to_timespec(3'000'000'007);
  CHECK(t.tv_sec == 3);
  CHECK(t.tv_nsec == 7);
}

TEST_CASE("copies, fills and lengths are exact") {
  char from[300], to[302];
  for (std::size_t i = 0; i < sizeof from; ++i) from[i] = static_cast<char>(i * 7);
  sys::fill(to, 0xEE, sizeof to);
  sys::copy(to + 1, from, 300);
  CHECK(static_cast<unsigned char>(to[0]) == 0xEE);
  CHECK(static_cast<unsigned char>(to[301]) == 0xEE);
  CHECK(std::memcmp(to + 1, from, 300) == 0);
  CHECK(sys::length("") == 0);
  CHECK(sys::length("twelve chars") == 12);
  CHECK(sys::round_up(4097, 4096) == 8192);
  CHECK(sys::round_up(4096, 4096) == 4096);
}

TEST_CASE("mapped memory is zero, and absurd requests are refused") {
  auto* p = static_cast<unsigned char*>(sys::map(10'000));
  REQUIRE(p != nullptr);
  for (int i = 0; i < 10'000; ++i) REQUIRE(p[i] == 0);
  sys::unmap(p, 10'000);
  CHECK(sys::map(std::size_t{1} << 60) == nullptr);
}

TEST_CASE("features that are asked for" * doctest::skip()) {
  for (int i = 0; i < static_cast<int>(sys::feature::count); ++i) {
    const auto f = static_cast<sys::feature>(i);
    printf("%s=%d\n", sys::name(f), sys::have(f) ? 1 : 0);
  }
  sys::mark_missing(sys::feature::uring);
  printf("then uring=%d\n", sys::have(sys::feature::uring) ? 1 : 0);
}

TEST_CASE("WEFT_WITHOUT takes exactly the features away that it names") {
  const auto with = [](const char* list) {
    return weft_test::run_self("features that are asked for", {std::string("WEFT_WITHOUT=") + list}).out;
  };
  const auto all = weft_test::run_self("features that are asked for", {"WEFT_WITHOUT"}).out;
  for (const char* name : {"guard=1", "mprotect=1", "pwait2=1", "nowait=1", "fsgsbase=1", "uring=1", "then uring=0"})
    CHECK(all.find(name) != std::string::npos);
  CHECK(with("guard,pwait2").find("guard=0\nmprotect=1\npwait2=0\nnowait=1\n") != std::string::npos);
  CHECK(with("uring").find("uring=0") != std::string::npos);
  CHECK(with("guar,guards,xguard, guard").find("guard=1") != std::string::npos);
  CHECK(with(",,nowait,").find("nowait=0") != std::string::npos);
}

TEST_CASE("the environment is read by whole names") {
  setenv("WEFT_TEST_NAME", "value=with=signs", 1);
  CHECK(std::string(sys::env("WEFT_TEST_NAME")) == "value=with=signs");
  CHECK(sys::env("WEFT_TEST_NAM") == nullptr);
  CHECK(sys::env("WEFT_TEST_NAME_LONGER") == nullptr);
  unsetenv("WEFT_TEST_NAME");
  CHECK(sys::env("WEFT_TEST_NAME") == nullptr);
}

TEST_CASE("a report that is written" * doctest::skip()) {
  { sys::report() << "numbers " << std::uint64_t{18'446'744'073'709'551'615u} << " and " << -42 << " and " << std::uint32_t{7} << " at "
                  << reinterpret_cast<void*>(0xdead0) << "\n"; }
  std::string big(5'000, 'x');
  sys::report() << big.c_str();
}

TEST_CASE("a report is one line on descriptor 2, cut at its buffer") {
  const std::string err = weft_test::run_self("a report that is written").err;
  CHECK(err.find("weft: numbers 18446744073709551615") == 0);
  CHECK(err.find("and -42 and 7 at 0xdead0\n") != std::string::npos);
  CHECK(err.size() > 2'000);
  CHECK(err.size() < 2'300);
}

TEST_CASE("a forked child is told once that it is one, and owns its memory; a child in this memory does not") {
  sys::this_process();
  CHECK(sys::owns_memory());
  CHECK_FALSE(sys::first_renewal());
  const pid_t child = fork();
  if (child == 0) _exit((sys::first_renewal() ? 1 : 0) | (sys::first_renewal() ? 2 : 0) | (sys::owns_memory() ? 4 : 0));
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 5);
#ifndef __SANITIZE_THREAD__  // which makes vfork a fork
  const pid_t borrower = vfork();
  if (borrower == 0) _exit((sys::first_renewal() ? 1 : 0) | (sys::owns_memory() ? 4 : 0));
  REQUIRE(waitpid(borrower, &status, 0) == borrower);
  CHECK(WEXITSTATUS(status) == 0);
#endif
}

TEST_CASE("own handlers are known by their address") {
  const int one = 0, other = 0;
  CHECK_FALSE(sys::is_own_handler(&one));
  sys::note_own_handler(&one);
  sys::note_own_handler(&one);
  CHECK(sys::is_own_handler(&one));
  CHECK_FALSE(sys::is_own_handler(&other));
}
