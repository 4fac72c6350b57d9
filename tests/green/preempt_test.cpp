// Who runs next when a thread that computes has had its turn.
#include <doctest/doctest.h>

#include <string>
#include <unistd.h>

#include "core/hub.hpp"
#include "sys/syscall.hpp"
#include "weft/io.hpp"
#include "weft/weft.hpp"

using namespace weft;

// Behind the thread that computed, it would wait for that one's next turn to be over.
TEST_CASE("what a message that came meanwhile wakes runs before the thread whose turn is over") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::string order;
  auto reader = spawn({.own_thread = true}, [&] {
    char c;
    CHECK(weft::read(ends[0], &c, 1) == 1);
    order += "reader ";
  });
  auto computing = spawn({.own_thread = true}, [&] {
    // The poller has not heard of it yet: the write is the kernel's alone.
    CHECK(sys::raw(SYS_write, ends[1], "x", 1) == 1);
    core::preempt(detail::current_hub(), detail::current_fiber());
    order += "computing";
  });
  reader.join();
  computing.join();
  CHECK(order == "reader computing");
  ::close(ends[0]);
  ::close(ends[1]);
}
