// The scanner: which bytes are sites, with what number, and how the list of functions bounds it.
#include <doctest/doctest.h>
#include <dlfcn.h>

#include "code_buffer.hpp"
#include "patch/fde_table.hpp"

using namespace weft::patch;
using weft_test::code_buffer;
using weft_test::the_decoder;

TEST_CASE("a site with an immediate number is found with it") {
  const code_buffer b{0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3};  // mov $39, %eax; syscall; ret
  const site_table t = b.scan();
  REQUIRE(t.size() == 1);
  CHECK(t[0].offset == 5);
  CHECK(t[0].nr == 39);
  CHECK(t[0].state == site_state::patchable);
}

TEST_CASE("the bytes of a syscall inside another instruction are no site") {
  const code_buffer b{0xb8, 0x0f, 0x05, 0, 0, 0x90, 0xc3};  // mov $0x50f, %eax
  CHECK(b.scan().empty());
}

TEST_CASE("a number is looked for across instructions that leave eax alone") {
  const code_buffer b{0xb8, 0x10, 0, 0, 0, 0x48, 0x89, 0xfe, 0x31, 0xd2, 0x0f, 0x05, 0xc3};
  CHECK(b.scan().at(0).nr == 16);
}

TEST_CASE("a site that something jumps to has no known number") {
  // mov $1, %eax; jmp site; mov $2, %eax; site: syscall; nop; nop; nop; ret
  const code_buffer b{0xb8, 1, 0, 0, 0, 0xeb, 5, 0xb8, 2, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0xc3};
  const site_table t = b.scan();
  REQUIRE(t.size() == 1);
  CHECK(t[0].nr == -1);
  CHECK(t[0].state == site_state::patchable);
}

TEST_CASE("a call or another site between the constant and the site makes the number unknown") {
  CHECK(code_buffer{0xb8, 1, 0, 0, 0, 0xe8, 0, 1, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0xc3}.scan().at(0).nr == -1);
  const site_table two = code_buffer{0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0x0f, 0x05, 0x90, 0x90, 0x90, 0xc3}.scan();
  REQUIRE(two.size() == 2);
  CHECK(two[0].nr == 1);
  CHECK(two[1].nr == -1);
}

TEST_CASE("the signal return stub is recognised and left alone") {
  const site_table wide = code_buffer{0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90}.scan();
  REQUIRE(wide.size() == 1);
  CHECK(wide[0].state == site_state::signal_return);
  CHECK(code_buffer{0xb8, 15, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90}.scan().at(0).state == site_state::signal_return);
}

TEST_CASE("a site that no function holds is reported, not touched") {
  const code_buffer b{0xc3, 0x90, 0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0xc3};
  const code nowhere{b.at(), b.text(), {}, [](std::uintptr_t) { return std::optional<function_range>(); }};
  const site_table t = scan(the_decoder(), nowhere);
  REQUIRE(t.size() == 1);
  CHECK(t[0].state == site_state::no_function);
}

TEST_CASE("a site behind bytes that do not decode is reported, not touched") {
  const code_buffer b{0x06, 0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0xc3};
  CHECK(b.scan().at(0).state == site_state::undecodable);
}

TEST_CASE("the entries of a jump table are targets") {
  // 0: lea table(%rip), %rdx; 7: movslq (%rdx,%rdi,4), %rax; b: add %rdx, %rax; e: jmp *%rax
  // 10: mov $1, %eax; 15: syscall; 17: nop (a case begins here); 18: nop; 19: nop; 1a: ret; 1c: table
  const code_buffer b{0x48, 0x8d, 0x15, 0x15, 0, 0, 0, 0x48, 0x63, 0x04, 0xba, 0x48, 0x01, 0xd0, 0xff, 0xe0,
                      0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0xc3, 0xcc, 0xfb, 0xff, 0xff, 0xff};
  const site_table t = b.scan({0, 0x1b});
  REQUIRE(t.size() == 1);
  CHECK(t[0].state == site_state::patchable);
  CHECK(t[0].after == 0);  // not across the case
  CHECK(t[0].before == 5);
}

TEST_CASE("a leaf that returns an integer keeps nothing in vector registers, when nothing calls it directly") {
  // mov $39, %eax; syscall; cmp $-4096, %rax; ja 1f; ret; 1: mov $-1, %rax; ret
  const code_buffer b{0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0x77, 1, 0xc3,
                      0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0xc3};
  CHECK_FALSE(b.scan().at(0).vectors);
}

TEST_CASE("what may live in a vector register across a site is noticed") {
  const auto vectors = [](const code_buffer& b, std::vector<std::size_t> starts = {0}) { return b.scan(std::move(starts)).at(0).vectors; };
  // mov $39, %eax; syscall; mov $0, %eax; <...>; ret
  SUBCASE("a load into xmm0") { CHECK(vectors({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x10, 0x07, 0xb8, 0, 0, 0, 0, 0xc3})); }
  SUBCASE("an instruction of AVX") { CHECK(vectors({0xc5, 0xf8, 0x77, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 0, 0, 0, 0, 0xc3})); }
  SUBCASE("an x87 instruction") { CHECK(vectors({0xd9, 0xe8, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 0, 0, 0, 0, 0xc3})); }
  SUBCASE("cvtsi2sd") { CHECK(vectors({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xf2, 0x48, 0x0f, 0x2a, 0xc7, 0xb8, 0, 0, 0, 0, 0xc3})); }
  SUBCASE("no proof that it returns an integer") { CHECK(vectors({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xc2, 0xc3})); }
  SUBCASE("arguments passed on to a function behind it") {
    // ...; call 1f; mov $0, %eax; ret; 1: jmp *(%rip)
    CHECK(vectors({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xe8, 6, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3, 0xff, 0x25, 0, 0, 0, 0}, {0, 18}));
  }
  SUBCASE("a jump nobody can follow") { CHECK(vectors({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xff, 0xe2, 0xb8, 0, 0, 0, 0, 0xc3})); }
  SUBCASE("a caller that was compiled with it") {
    // mov $39, %eax; syscall; mov $0, %eax; ret; then: call 0; ret
    CHECK(vectors({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 0, 0, 0, 0, 0xc3, 0xe8, 0xee, 0xff, 0xff, 0xff, 0xc3}, {0, 13}));
  }
  SUBCASE("a neighbour's short jump to its beginning") {
    CHECK(vectors({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 0, 0, 0, 0, 0xc3, 0xeb, 0xf1}, {0, 13}));
  }
}

TEST_CASE("a function that calls what no compiler sees through may be called directly") {
  // 0: call *%rdx; 2: mov $39, %eax; syscall; mov $0, %eax; ret; f: call 0; ret
  const code_buffer b{0xff, 0xd2, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 0, 0, 0, 0, 0xc3, 0xe8, 0xec, 0xff, 0xff, 0xff, 0xc3};
  CHECK_FALSE(b.scan({0, 15}).at(0).vectors);
}

TEST_CASE("libc's blocking calls keep nothing in vector registers") {
  for (const elf_image& image : loaded_images()) {
    if (!image.name().starts_with("libc.so")) continue;
    const fde_table functions(image.eh_frame_hdr, image.text.front());
    const code c{image.base, image.text.front(), image.readable, [&](std::uintptr_t a) { return functions.find(a); }};
    const site_table all = scan(the_decoder(), c);
    // Of libc itself: a sanitizer has names of its own before it.
    void* libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    for (const char* name : {"recv", "send", "recvfrom", "sendto", "recvmsg", "sendmsg", "read", "write", "accept", "accept4", "connect",
                             "poll", "clock_nanosleep", "epoll_wait"}) {
      const auto f = functions.find(reinterpret_cast<std::uintptr_t>(dlsym(libc, name)));
      REQUIRE(f.has_value());
      int sites = 0;
      for (const site& s : all)
        if (const std::uintptr_t at = image.base + s.offset; at >= f->begin && at < f->end) {
          ++sites;
          CHECK_MESSAGE(!s.vectors, std::string(name));
        }
      CHECK(sites > 0);
    }
  }
}

TEST_CASE("functions of libc are found with their bounds") {
  const auto address = reinterpret_cast<std::uintptr_t>(dlsym(RTLD_DEFAULT, "getppid"));
  REQUIRE(address != 0);
  bool seen = false;
  for (const elf_image& image : loaded_images()) {
    if (!image.holds(address)) continue;
    seen = true;
    CHECK_FALSE(image.build_id.empty());
    for (const range& text : image.text) {
      if (!text.holds(address)) continue;
      const fde_table table(image.eh_frame_hdr, text);
      REQUIRE_FALSE(table.empty());
      const auto f = table.find(address + 1);
      REQUIRE(f.has_value());
      CHECK(f->listed);
      CHECK(f->begin == address);
      CHECK(f->end > address);
      CHECK(f->end < address + 64);
      CHECK(f->limit >= f->end);
      CHECK_FALSE(table.find(text.begin - 1).has_value());
    }
  }
  CHECK(seen);
}

TEST_CASE("an object without a table of functions yields none") {
  const fde_table none(0, {0x1000, 0x2000});
  CHECK(none.empty());
  CHECK_FALSE(none.find(0x1800).has_value());
}

TEST_CASE("scanning libc twice gives the same table") {
  for (const elf_image& image : loaded_images()) {
    if (!image.name().starts_with("libc.so")) continue;
    const fde_table functions(image.eh_frame_hdr, image.text.front());
    const code c{image.base, image.text.front(), image.readable, [&](std::uintptr_t a) { return functions.find(a); }};
    const site_table first = scan(the_decoder(), c);
    CHECK(first == scan(the_decoder(), c));
    CHECK(first.size() > 300);
  }
}
