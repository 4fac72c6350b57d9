// The pool of stacks: order of reuse, guards and their fallback, trimming, and a pool that runs dry.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <sys/resource.h>
#include <vector>

#include "child.hpp"
#include "core/stack_pool.hpp"
#include "sys/features.hpp"

using weft::core::stack_pool;
using weft::detail::stack;

namespace {

std::size_t resident_pages(const char* from, std::size_t bytes) {
  std::vector<unsigned char> in(bytes / 4096);
  REQUIRE(mincore(const_cast<char*>(from), bytes, in.data()) == 0);
  std::size_t n = 0;
  for (const unsigned char p : in) n += p & 1;
  return n;
}

// Dies with the guard, or with the canary's report.
void run_over_the_end() {
  stack_pool pool;
  stack* s = pool.take(16);
  volatile char* p = stack_pool::bottom(s);
  for (int i = 0; i < 64; ++i) p[i] = 1;
  pool.give(s, 16);
}

}  // namespace

TEST_CASE("a wanted size becomes the next power of two between 16 KiB and 1 GiB") {
  CHECK(stack_pool::size_class(1) == 14);
  CHECK(stack_pool::size_class(16 * 1024) == 14);
  CHECK(stack_pool::size_class(16 * 1024 + 1) == 15);
  CHECK(stack_pool::size_class(256 * 1024) == 18);
  CHECK(stack_pool::size_class(~std::size_t{0}) == 30);
}

TEST_CASE("stacks are usable from the top down to the guard, and disjoint") {
  stack_pool pool;
  std::vector<stack*> taken;
  for (int i = 0; i < 200; ++i) {
    stack* s = pool.take(16);
    REQUIRE(s != nullptr);
    char* top = stack_pool::top(s, 16);
    char* bottom = stack_pool::bottom(s);
    CHECK(reinterpret_cast<std::uintptr_t>(top) % 16 == 0);
    CHECK(top > bottom + 64 * 1024 - 4096);
    CHECK(top <= bottom + 64 * 1024);
    std::memset(bottom + 4096, i, static_cast<std::size_t>(top - bottom) - 4096);
    taken.push_back(s);
  }
  for (int i = 0; i < 200; ++i)
    for (char *p = stack_pool::bottom(taken[static_cast<std::size_t>(i)]) + 4096,
              *end = stack_pool::top(taken[static_cast<std::size_t>(i)], 16);
         p < end; p += 512)
      REQUIRE(static_cast<unsigned char>(*p) == i);
  CHECK(pool.in_use() == 200);
  for (stack* s : taken) pool.give(s, 16);
  CHECK(pool.in_use() == 0);
  CHECK(pool.most_in_use() == 200);
}

TEST_CASE("the stack given back last is taken first, while it is warm") {
  stack_pool pool;
  stack *a = pool.take(16), *b = pool.take(16), *c = pool.take(16);
  pool.give(a, 16);
  pool.give(c, 16);
  pool.give(b, 16);
  CHECK(pool.take(16) == b);
  CHECK(pool.take(16) == c);
  CHECK(pool.take(16) == a);
}

TEST_CASE("sizes have pools of their own") {
  stack_pool pool;
  stack* small = pool.take(14);
  pool.give(small, 14);
  stack* big = pool.take(20);
  CHECK(big != small);
  std::memset(stack_pool::top(big, 20) - 1'000'000, 1, 900'000);
  CHECK(pool.take(14) == small);
}

TEST_CASE("tops are staggered over cache lines, at most half a page") {
  stack_pool pool;
  std::vector<std::uintptr_t> offsets;
  for (int i = 0; i < 32; ++i) {
    stack* s = pool.take(18);
    offsets.push_back(reinterpret_cast<std::uintptr_t>(stack_pool::bottom(s)) + (1 << 18) -
                      reinterpret_cast<std::uintptr_t>(stack_pool::top(s, 18)));
  }
  for (std::size_t i = 1; i < offsets.size(); ++i) CHECK(offsets[i] != offsets[i - 1]);
  for (const std::uintptr_t o : offsets) CHECK(o < 2048);
}

TEST_CASE("an address in a guard is told from one on a stack and from one elsewhere") {
  stack_pool pool;
  stack* s = pool.take(16);
  std::size_t size = 0;
  CHECK(pool.in_guard(stack_pool::bottom(s), size));
  CHECK(size == 64 * 1024);
  CHECK(pool.in_guard(stack_pool::bottom(s) + 4095, size));
  CHECK_FALSE(pool.in_guard(stack_pool::bottom(s) + 4096, size));
  CHECK_FALSE(pool.in_guard(&pool, size));
}

TEST_CASE("pages of stacks that lay idle go back to the kernel, and the stacks serve again") {
  stack_pool pool;
  std::vector<stack*> taken;
  for (int i = 0; i < 300; ++i) {
    stack* s = pool.take(16);
    std::memset(stack_pool::top(s, 16) - 40'000, 1, 40'000);
    taken.push_back(s);
  }
  for (stack* s : taken) pool.give(s, 16);
  pool.trim();  // they were in use until now
  CHECK(resident_pages(stack_pool::bottom(taken[0]), 64 * 1024) >= 9);
  for (int i = 0; i < 4; ++i) pool.trim();
  std::size_t resident = 0;
  for (stack* s : taken) resident += resident_pages(stack_pool::bottom(s) + 4096, 60 * 1024);
  CHECK(resident <= 64 * 15);  // some are kept warm
  for (int i = 0; i < 300; ++i) {
    stack* s = pool.take(16);
    REQUIRE(s != nullptr);
    std::memset(stack_pool::top(s, 16) - 40'000, 2, 40'000);
  }
  CHECK(pool.in_use() == 300);
}

TEST_CASE("writing below a guarded stack faults" * doctest::skip()) { run_over_the_end(); }

TEST_CASE("a stack's end is guarded by the kernel, by mprotect, or by a canary, whichever is left") {
  const std::string inner = "writing below a guarded stack faults";
  const weft_test::child_result guarded = weft_test::run_self(inner);
  CHECK((guarded.signal != 0 || guarded.exit_code > 0));
  const weft_test::child_result protected_pages = weft_test::run_self(inner, {"WEFT_WITHOUT=guard"});
  CHECK((protected_pages.signal != 0 || protected_pages.exit_code > 0));
  CHECK(protected_pages.err.find("canary") == std::string::npos);
  const weft_test::child_result canary = weft_test::run_self(inner, {"WEFT_WITHOUT=guard,mprotect"});
  CHECK((canary.signal != 0 || canary.exit_code > 0));
  CHECK(canary.err.find("ran over the end of its stack of 64 KiB (found by its canary") != std::string::npos);
}

TEST_CASE("a canary survives trimming" * doctest::skip()) {
  stack_pool pool;
  std::vector<stack*> taken;
  for (int i = 0; i < 300; ++i) taken.push_back(pool.take(16));
  for (stack* s : taken) std::memset(stack_pool::top(s, 16) - 40'000, 1, 40'000);
  for (stack* s : taken) pool.give(s, 16);
  for (int i = 0; i < 5; ++i) pool.trim();
  std::size_t resident = 0;
  for (stack* s : taken) resident += resident_pages(stack_pool::bottom(s) + 4096, 60 * 1024);
  CHECK(resident <= 64 * 15);
  for (int i = 0; i < 300; ++i) taken[static_cast<std::size_t>(i)] = pool.take(16);
  for (stack* s : taken) pool.give(s, 16);
}

TEST_CASE("stacks without guard pages are trimmed too, and their canaries stay") {
  CHECK(weft_test::run_self("a canary survives trimming", {"WEFT_WITHOUT=guard,mprotect"}).exit_code == 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow does not fit into a limited address space
TEST_CASE("a pool without address space fails" * doctest::skip()) {
  stack_pool pool;
  rlimit limit{256u << 20, 256u << 20};
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  std::vector<stack*> taken;
  taken.reserve(10'000);
  while (stack* s = pool.take(18)) taken.push_back(s);
  CHECK(taken.size() > 500);  // growing chunks do not waste what is left
  CHECK_FALSE(pool.could_take(18));
  pool.give(taken.back(), 18);
  CHECK(pool.could_take(18));
  CHECK(pool.take(18) == taken.back());
  CHECK(pool.take(18) == nullptr);
}

TEST_CASE("a pool that runs out of address space uses what is left, says so once, and goes on when a stack comes back") {
  const weft_test::child_result r = weft_test::run_self("a pool without address space fails");
  CHECK(r.exit_code == 0);
  CAPTURE(r.out);
  const std::string words = "no address space left for another fiber stack";
  const auto first = r.err.find(words);
  REQUIRE(first != std::string::npos);
  CHECK(r.err.find("RLIMIT_AS") != std::string::npos);
  CHECK(r.err.find(words, first + 1) == std::string::npos);
}
#endif
