// The symbol door has no gaps: every call that the rewritten sites hand to Weft is wrapped as a function too, or is in the list below with
// the reason why libc has no function for it; and the shim exports what the list of functions says.
#include <doctest/doctest.h>

#include <sys/syscall.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "child.hpp"
#include "io/dispatch.hpp"

namespace {

struct wrapped {
  std::set<std::string> names;
  std::set<long> numbers;
};

wrapped all_wrapped() {
  wrapped all;
#define CALL(result, name, is, number, parameters, arguments, words) all.names.insert(#name), all.numbers.insert(number);
#define ALIAS(other, name) all.names.insert(#other);
#define CHECKED(result, name, parameters, fits, checked, checked_arguments, arguments) all.names.insert(#name);
#define OTHER(name, number) all.names.insert(#name), all.numbers.insert(number);
#include "functions.def"
#undef CALL
#undef ALIAS
#undef CHECKED
#undef OTHER
  return all;
}

const std::map<std::string, std::string> without_function = {
    {"clone3", "libc makes it inside pthread_create and posix_spawn"},
    {"futex", "libc makes it inside the pthread functions; programs use syscall()"},
    {"futex_requeue", "libc 2.36 has no such function: programs use syscall()"},
    {"futex_wait", "libc 2.36 has no such function: programs use syscall()"},
    {"futex_waitv", "libc 2.36 has no such function: programs use syscall()"},
    {"futex_wake", "libc 2.36 has no such function: programs use syscall()"},
    {"open", "libc's open makes openat"},
    {"openat2", "libc 2.36 has no such function: programs use syscall()"},
    {"faccessat", "the wrapper of faccessat makes faccessat2, which has the flags"},
    {"semop", "libc's semop makes semtimedop"},
    {"io_destroy", "libaio's, by an instruction of its own"},
    {"io_uring_enter", "liburing's, by an instruction of its own"},
    {"io_getevents", "libaio's, by an instruction of its own"},
    {"io_pgetevents", "libaio's, by an instruction of its own"},
};

std::set<std::string> exported() {
  const auto listing = weft_test::run_program({"nm", "-D", "--defined-only", std::getenv("WEFT_SHIM")}, {"LD_PRELOAD"});
  REQUIRE(listing.exit_code == 0);
  std::set<std::string> names;
  std::istringstream lines(listing.out);
  for (std::string line; std::getline(lines, line);) names.insert(line.substr(line.rfind(' ') + 1));
  return names;
}

}  // namespace

TEST_CASE("every row of the door's table has its functions wrapped, or stands in the list of those without") {
  const wrapped all = all_wrapped();
  std::set<std::string> rows;
  int covered = 0;
  weft::io::each_door([&](const weft::io::door_entry& row) {
    CAPTURE(std::string(row.name));
    rows.insert(row.name);
    const bool is_wrapped = all.numbers.count(row.nr) != 0;
    const bool has_none = without_function.count(row.name) != 0;
    CHECK(is_wrapped != has_none);
    covered += is_wrapped;
  });
  CHECK(covered >= 30);
  for (const auto& entry : without_function) {
    CAPTURE(entry.first);
    CHECK(rows.count(entry.first) == 1);
    CHECK_FALSE(entry.second.empty());
  }
}

TEST_CASE("the shim exports every function of the list") {
  const std::set<std::string> names = exported();
  for (const std::string& name : all_wrapped().names) {
    CAPTURE(name);
    CHECK(names.count(name) == 1);
  }
}

TEST_CASE("fortified, underscored and 64-bit names go where the plain ones do") {
  const std::set<std::string> names = all_wrapped().names;
  for (const char* name : {"__read", "__read_chk", "__recv_chk", "__recvfrom_chk", "__poll_chk", "__ppoll_chk", "__pread_chk",
                           "__pread64_chk", "__connect", "__send", "__write", "__nanosleep", "__select", "__close", "__fcntl",
                           "fcntl64", "open64", "__open_2", "__open64_2", "__openat_2", "__openat64_2", "__waitpid", "__fork",
                           "__vfork"})
    CHECK(names.count(name) == 1);
}
