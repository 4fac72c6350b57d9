// Which bytes the jump displaces, on patterns that compilers write around a syscall.
#include <doctest/doctest.h>

#include "code_buffer.hpp"

using namespace weft::patch;
using weft_test::code_buffer;

namespace {

site only_site(const code_buffer& b, std::vector<std::size_t> starts = {0}) {
  const site_table t = b.scan(starts);
  REQUIRE(t.size() == 1);
  return t[0];
}

}  // namespace

TEST_CASE("what follows the syscall is displaced first") {
  // mov $39, %eax; syscall; cmp $-4095, %rax; ret
  const site s = only_site({0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3});
  CHECK(s.before == 0);
  CHECK(s.after == 6);
}

TEST_CASE("a branch target behind the syscall forbids the following bytes, so the preceding ones go") {
  // mov $39, %eax; syscall; loop: test %eax, %eax; nop; jne loop
  const site s = only_site({0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0x85, 0xc0, 0x90, 0x75, 0xfb, 0xc3});
  CHECK(s.state == site_state::patchable);
  CHECK(s.before == 5);
  CHECK(s.after == 0);
}

TEST_CASE("a branch target on the syscall forbids the preceding bytes") {
  // site: is the target of jne; behind it stands a call
  const site s = only_site({0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xe8, 0, 1, 0, 0, 0x75, 0xf7, 0xc3});
  CHECK(s.state == site_state::branch_inside);
}

TEST_CASE("both sides are taken when neither is enough") {
  // mov $39, %eax; mov %edi, %edi (target) ; syscall; ret; call: two bytes in front, one behind
  const site s = only_site({0xb8, 0x27, 0, 0, 0, 0x89, 0xff, 0x0f, 0x05, 0xc3, 0xe8, 0, 1, 0, 0, 0x75, 0xf4});
  CHECK(s.state == site_state::patchable);
  CHECK(s.before == 2);
  CHECK(s.after == 1);
}

TEST_CASE("padding behind a ret is taken, code behind it is not") {
  const site padded = only_site({0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x0f, 0x1f, 0x40, 0x00});
  CHECK(padded.after == 5);
  // Behind the ret comes another piece of code that something may reach.
  const site code_follows = only_site({0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x89, 0xff, 0x89, 0xff, 0xc3});
  CHECK(code_follows.after == 0);
  CHECK(code_follows.before == 5);
}

TEST_CASE("padding up to the next function is taken, the next function never") {
  const code_buffer b{0x0f, 0x05, 0xc3, 0x90, 0x0f, 0x1f, 0x00, 0xc3};
  CHECK(only_site(b, {0, 4}).state == site_state::no_room);  // the function at 4 begins with a nop of its own
}

TEST_CASE("a call is never displaced") {
  const site s = only_site({0x31, 0xc0, 0x0f, 0x05, 0xe8, 0, 1, 0, 0, 0xc3});
  CHECK(s.state == site_state::no_room);
}

TEST_CASE("the landing place of an indirect branch is never displaced") {
  const site s = only_site({0x31, 0xc0, 0x0f, 0x05, 0xf3, 0x0f, 0x1e, 0xfa, 0xc3});
  CHECK(s.state == site_state::no_room);
}

TEST_CASE("an instruction without a movable form is named as the obstacle") {
  const site s = only_site({0x31, 0xc0, 0x0f, 0x05, 0xe2, 0xfa, 0xc3});  // loop
  CHECK(s.state == site_state::immovable);
}

TEST_CASE("two sites never share a byte") {
  // mov $1, %eax; syscall; mov %eax, %edi; nop; syscall; call
  const code_buffer b{0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0x90, 0x0f, 0x05, 0xe8, 0, 1, 0, 0, 0xc3};
  const site_table t = b.scan();
  REQUIRE(t.size() == 2);
  CHECK(t[0].after == 3);
  CHECK(t[1].state == site_state::overlap);
}

TEST_CASE("a jump behind the syscall is displaced and ends the window") {
  // syscall; jmp back (5 bytes)
  const site s = only_site({0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0xe9, 0, 1, 0, 0});
  CHECK(s.after == 5);
}
