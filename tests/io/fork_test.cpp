// fork in a program with fibers: parent and child each have a poller of their own, and waits go on in both.
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include "weft/fiber.hpp"
#include "weft/io.hpp"
#include "weft/testing.hpp"

namespace {

// A fiber that waits for one byte from a new pipe; `in` gets the end to write to.
weft::fiber<char> reader(int& in) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  in = ends[1];
  return weft::spawn([fd = ends[0]] {
    char c = 0;
    weft::read(fd, &c, 1);
    weft::close(fd);
    return c;
  });
}

}  // namespace

TEST_CASE("a child of fork waits on its own poller, and the parent's waits end as before") {
  int to_parent;
  auto waiting = reader(to_parent);
  weft::testing::wait_all_blocked();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(50);
    int to_child;
    auto mine = reader(to_child);
    weft::testing::wait_all_blocked();
    weft::write(to_child, "c", 1);
    const bool right = mine.get() == 'c' && !waiting.done();
    ::_exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK_FALSE(waiting.done());
  weft::write(to_parent, "p", 1);
  CHECK(waiting.get() == 'p');
  ::close(to_parent);
}

TEST_CASE("a fiber that waited before the fork is woken in the child by what happens there") {
  int in;
  auto waiting = reader(in);
  weft::testing::wait_all_blocked();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(50);
    weft::write(in, "x", 1);
    ::_exit(waiting.get() == 'x' ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  // The byte was taken by the child: the pipe is one.
  weft::write(in, "y", 1);
  CHECK(waiting.get() == 'y');
  ::close(in);
}
