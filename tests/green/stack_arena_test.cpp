// The arena of threads' stacks: what libc does to a stack, what programs may do to one besides, and what the kernel has to keep for it.
#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "green/stack_arena.hpp"
#include "sys/features.hpp"

namespace arena = weft::green::arena;

namespace {

constexpr std::uint64_t guard = 4096;
constexpr int rw = PROT_READ | PROT_WRITE;

volatile char* at(std::uint64_t address) { return reinterpret_cast<volatile char*>(address); }

// As nptl/allocatestack.c does.
std::uint64_t new_stack(std::uint64_t bytes, std::uint64_t guard_bytes = guard) {
  const std::uint64_t base = arena::map(bytes, guard_bytes == 0);
  REQUIRE(base != 0);
  REQUIRE(base % 4096 == 0);
  REQUIRE(arena::touches(base, bytes));
  if (guard_bytes != 0) REQUIRE(arena::protect(base + guard_bytes, bytes - guard_bytes, rw) == 0);
  return base;
}

// The signal that ends a child which does this; 0: none.
template <class F>
int death_of(F body) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    body();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int write_to(std::uint64_t address) {
  return death_of([=] { *at(address) = 1; });
}

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t n = 0;
  for (std::string line; std::getline(maps, line);) ++n;
  return n;
}

bool reads_as_zeroes(std::uint64_t base, std::uint64_t bytes, std::uint64_t guard_bytes = guard) {
  for (std::uint64_t i = guard_bytes; i < bytes; i += 64)
    if (*at(base + i) != 0) return false;
  return true;
}

bool guards_by_advice() { return weft::sys::have(weft::sys::feature::guard); }

}  // namespace

TEST_CASE("a stack is writable down to its guard, and a thread that runs over its end dies of it") {
  constexpr std::uint64_t size = 256 * 1024 + guard;
  const std::uint64_t base = new_stack(size);
  for (std::uint64_t i = guard; i < size; i += 512) *at(base + i) = 7;
  CHECK(write_to(base + guard) == 0);
  CHECK(write_to(base + guard - 1) == SIGSEGV);
  CHECK(write_to(base) == SIGSEGV);
  CHECK(arena::unmap(base, size) == 0);
}

TEST_CASE("a stack that is given out again reads as zeroes and still has its guard") {
  constexpr std::uint64_t size = 128 * 1024 + guard;
  const std::uint64_t first = new_stack(size);
  for (std::uint64_t i = guard; i < size; ++i) *at(first + i) = 1;
  REQUIRE(arena::unmap(first, size) == 0);
  const std::uint64_t second = new_stack(size);
  CHECK(second == first);
  CHECK(reads_as_zeroes(second, size));
  CHECK(write_to(second + guard - 1) == SIGSEGV);
  REQUIRE(arena::unmap(second, size) == 0);

  SUBCASE("with a larger guard, if that is wanted then") {
    const std::uint64_t third = new_stack(size, 4 * guard);
    CHECK(write_to(third + 4 * guard - 1) == SIGSEGV);
    CHECK(write_to(third + 4 * guard) == 0);
    CHECK(arena::unmap(third, size) == 0);
  }
  SUBCASE("with a smaller one, or none") {
    const std::uint64_t third = new_stack(size, 0);
    CHECK(reads_as_zeroes(third, size, 0));
    CHECK(write_to(third) == 0);
    CHECK(arena::unmap(third, size) == 0);
  }
}

TEST_CASE("ten thousand stacks of the usual size need few mappings") {
  if (!guards_by_advice()) return;  // each guard is a mapping then
  constexpr std::uint64_t size = (8 << 20) + guard;
  const std::size_t before = mappings();
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 10'000; ++i) {
    all.push_back(new_stack(size));
    *at(all.back() + size - 64) = 1;
  }
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
  constexpr std::size_t others = 1'000;  // its own memory comes in mappings, too
#else
  constexpr std::size_t others = 0;
#endif
  CHECK(mappings() - before <= 20 + others);
  CHECK(arena::look().most_in_use >= 10'000);
  for (const std::uint64_t base : all) CHECK(arena::unmap(base, size) == 0);
  for (const std::uint64_t base : all) CHECK(*at(base + size - 64) == 0);
}

TEST_CASE("a stack's top and the guard of the next one share a page of page tables, whatever the size") {
  for (const std::uint64_t size : {std::uint64_t{8 << 20}, std::uint64_t{2 << 20}, std::uint64_t{1 << 20}}) {
    std::vector<std::uint64_t> all;
    for (int i = 0; i < 16; ++i) all.push_back(new_stack(size));
    int apart = 0;
    constexpr std::uint64_t covered = 2 << 20, touched = 3 * 4096;
    for (const std::uint64_t base : all) apart += (base + size - touched) / covered != (base + size) / covered;
    CHECK(apart <= 1);
    for (const std::uint64_t base : all) CHECK(arena::unmap(base, size) == 0);
  }
}

TEST_CASE("protections within a stack are the kernel's, and gone when it is given out again") {
  constexpr std::uint64_t size = 96 * 1024 + guard;
  const std::uint64_t base = new_stack(size);
  *at(base + size - 1) = 3;
  SUBCASE("a wall of the program's own") {
    REQUIRE(arena::protect(base + 8 * 4096, 4096, PROT_NONE) == 0);
    CHECK(write_to(base + 8 * 4096) == SIGSEGV);
    CHECK(write_to(base + 9 * 4096) == 0);
    CHECK(write_to(base) == SIGSEGV);
  }
  SUBCASE("the guard opened, as libc does for a stack that is used again with a smaller one") {
    REQUIRE(arena::protect(base, guard, rw) == 0);
    CHECK(write_to(base) == 0);
  }
  SUBCASE("code on the stack") {
    REQUIRE(arena::protect(base + guard, size - guard, rw | PROT_EXEC) == 0);
    const unsigned char answer_42[] = {0xb8, 42, 0, 0, 0, 0xc3};
    std::memcpy(const_cast<char*>(at(base + guard)), answer_42, sizeof answer_42);
    CHECK(reinterpret_cast<int (*)()>(base + guard)() == 42);
  }
  REQUIRE(arena::unmap(base, size) == 0);
  const std::uint64_t again = new_stack(size);
  CHECK(again == base);
  CHECK(reads_as_zeroes(again, size));
  CHECK(write_to(again + 8 * 4096) == 0);
  CHECK(write_to(again) == SIGSEGV);
  CHECK(arena::unmap(again, size) == 0);
}

TEST_CASE("memory that was reserved without access becomes usable piece by piece") {
  constexpr std::uint64_t size = 80 * 1024;
  const std::uint64_t base = arena::map(size, false);
  REQUIRE(base != 0);
  REQUIRE(arena::protect(base + 4096, 8192, rw) == 0);
  CHECK(write_to(base) == SIGSEGV);
  CHECK(write_to(base + 4096) == 0);
  CHECK(write_to(base + 12288) == SIGSEGV);
  CHECK(arena::unmap(base, size) == 0);
}

TEST_CASE("a stack of which a part was unmapped is never given out again") {
  constexpr std::uint64_t size = 112 * 1024 + guard;
  const std::uint64_t base = new_stack(size), neighbour = new_stack(size);
  *at(neighbour + size - 1) = 5;
  REQUIRE(arena::unmap(base + 4 * 4096, 4096) == 0);
  CHECK(write_to(base + 4 * 4096) == SIGSEGV);
  CHECK(write_to(base + 5 * 4096) == 0);
  // Somebody else's memory may be there by now.
  void* other = mmap(reinterpret_cast<void*>(base + 4 * 4096), 4096, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  REQUIRE(other != MAP_FAILED);
  *at(base + 4 * 4096) = 9;
  REQUIRE(arena::unmap(base, 4 * 4096) == 0);
  REQUIRE(arena::unmap(base + 5 * 4096, size - 5 * 4096) == 0);
  CHECK(*at(base + 4 * 4096) == 9);
  CHECK(*at(neighbour + size - 1) == 5);
  const std::uint64_t next = new_stack(size);
  CHECK(next != base);
  CHECK(arena::unmap(next, size) == 0);
  CHECK(arena::unmap(neighbour, size) == 0);
}

TEST_CASE("one call may unmap several stacks and what lies around them") {
  constexpr std::uint64_t size = 60 * 1024;
  const std::uint64_t a = new_stack(size), b = new_stack(size), c = new_stack(size);
  REQUIRE(b == a + size);
  for (const std::uint64_t base : {a, b, c}) *at(base + size - 1) = 1;
  REQUIRE(arena::unmap(a, 2 * size) == 0);
  CHECK(*at(c + size - 1) == 1);
  const std::uint64_t again = new_stack(size), more = new_stack(size);
  CHECK((again == a || again == b));
  CHECK((more == a || more == b));
  CHECK(reads_as_zeroes(again, size));
  for (const std::uint64_t base : {again, more, c}) CHECK(arena::unmap(base, size) == 0);
  CHECK(arena::unmap(a, size) == 0);  // twice: as the kernel has it, nothing to do
}

TEST_CASE("a stack that was locked into memory, or given other advice, is mapped afresh") {
  constexpr std::uint64_t size = 72 * 1024 + guard;
  const std::uint64_t base = new_stack(size);
  *at(base + size - 1) = 1;
  REQUIRE(mlock(reinterpret_cast<void*>(base + size - 8192), 8192) == 0);
  REQUIRE(arena::unmap(base, size) == 0);
  const std::uint64_t again = new_stack(size);
  CHECK(again == base);
  CHECK(reads_as_zeroes(again, size));
  arena::about_to_change(again, size);
  REQUIRE(madvise(reinterpret_cast<void*>(again + guard), size - guard, MADV_DONTFORK) == 0);
  REQUIRE(arena::unmap(again, size) == 0);
  const std::uint64_t third = new_stack(size);
  CHECK(third == base);
  CHECK(write_to(third + size - 1) == 0);  // there in a child
  CHECK(arena::unmap(third, size) == 0);
}

TEST_CASE("a forked child goes on with its own copy") {
  constexpr std::uint64_t size = 256 * 1024 + guard;
  const std::uint64_t base = new_stack(size);
  *at(base + size - 1) = 1;
  CHECK(death_of([=] {
          arena::after_fork();
          if (arena::unmap(base, size) != 0) std::abort();
          if (new_stack(size) != base || *at(base + size - 1) != 0) std::abort();
        }) == 0);
  CHECK(*at(base + size - 1) == 1);
  CHECK(arena::unmap(base, size) == 0);
}
