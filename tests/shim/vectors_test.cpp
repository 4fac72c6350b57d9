// An inline system call in a function that keeps values in vector registers across it: the registers survive a park there.
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include <weft/weft.hpp>

namespace {

using registers = std::array<unsigned char, 512>;

registers pattern(unsigned char seed) {
  registers r;
  for (std::size_t k = 0; k < r.size(); ++k) r[k] = static_cast<unsigned char>(seed + k * 13);
  return r;
}

// read(fd, to, 1) with all sixteen ymm registers (or xmm registers) loaded from `before`; afterwards they are in `after`.
#define EACH(insn, reg, from, to)                                                                                       \
  insn(reg, 0, from, to) insn(reg, 1, from, to) insn(reg, 2, from, to) insn(reg, 3, from, to) insn(reg, 4, from, to)     \
      insn(reg, 5, from, to) insn(reg, 6, from, to) insn(reg, 7, from, to) insn(reg, 8, from, to) insn(reg, 9, from, to) \
          insn(reg, 10, from, to) insn(reg, 11, from, to) insn(reg, 12, from, to) insn(reg, 13, from, to)                \
              insn(reg, 14, from, to) insn(reg, 15, from, to)
#define LOAD(reg, n, from, to) MOVE " " #n "*32(%[" from "]), %%" reg #n "\n"
#define STORE(reg, n, from, to) MOVE " %%" reg #n ", " #n "*32(%[" to "])\n"

long read_with_sse(int fd, char* to, const registers& before, registers& after) {
  long result;
#define MOVE "movups"
  asm volatile(EACH(LOAD, "xmm", "b", "a") "syscall\n" EACH(STORE, "xmm", "b", "a")
               : "=a"(result)
               : "0"(SYS_read), "D"(fd), "S"(to), "d"(1), [b] "r"(before.data()), [a] "r"(after.data())
               : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                 "xmm12", "xmm13", "xmm14", "xmm15");
#undef MOVE
  return result;
}

long read_with_avx(int fd, char* to, const registers& before, registers& after) {
  long result;
#define MOVE "vmovups"
  asm volatile(EACH(LOAD, "ymm", "b", "a") "syscall\n" EACH(STORE, "ymm", "b", "a") "vzeroupper\n"
               : "=a"(result)
               : "0"(SYS_read), "D"(fd), "S"(to), "d"(1), [b] "r"(before.data()), [a] "r"(after.data())
               : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                 "xmm12", "xmm13", "xmm14", "xmm15");
#undef MOVE
  return result;
}

template <class Read>
void two_fibers(Read read_once, std::size_t bytes_a_register) {
  REQUIRE(weft::patch_all().sites_patched > 0);
  const auto parks = weft::this_hub().stats().parks;
  int pipes[2][2];
  registers after[2]{};
  char got[2]{};
  weft::fiber<> readers[2];
  for (int k = 0; k < 2; ++k) {
    REQUIRE(pipe(pipes[k]) == 0);
    readers[k] = weft::spawn([&, k] {
      const registers mine = pattern(static_cast<unsigned char>(k * 101 + 1));
      CHECK(read_once(pipes[k][0], &got[k], mine, after[k]) == 1);
    });
    weft::this_fiber::yield();
  }
  for (int k = 0; k < 2; ++k) CHECK(write(pipes[k][1], k == 0 ? "a" : "b", 1) == 1);
  for (int k = 0; k < 2; ++k) {
    readers[k].join();
    const registers mine = pattern(static_cast<unsigned char>(k * 101 + 1));
    for (std::size_t r = 0; r < 16; ++r) CHECK(std::memcmp(&mine[r * 32], &after[k][r * 32], bytes_a_register) == 0);
    close(pipes[k][0]);
    close(pipes[k][1]);
  }
  CHECK(got[0] == 'a');
  CHECK(got[1] == 'b');
  CHECK(weft::this_hub().stats().parks >= parks + 2);
}

}  // namespace

TEST_CASE("xmm registers survive a park in an inline system call") { two_fibers(read_with_sse, 16); }

TEST_CASE("ymm registers survive a park in an inline system call") {
  if (__builtin_cpu_supports("avx")) two_fibers(read_with_avx, 32);
}

TEST_CASE("vector registers survive what timers and other threads have run while the reader itself polls") {
  REQUIRE(weft::patch_all().sites_patched > 0);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const registers mine = pattern(7);
  registers after{};
  char got = 0;
  // Each is ordinary C++ that runs in the middle of the reader's park.
  for (int k = 1; k <= 3; ++k) weft::call_later(std::chrono::milliseconds(k), [k, text = std::string("a")] {
    if (k == 3) CHECK(text.size() == 1);
  });
  auto last = weft::call_later(std::chrono::milliseconds(20), [&] { CHECK(write(ends[1], "x", 1) == 1); });
  auto reader = weft::spawn([&] { CHECK(read_with_sse(ends[0], &got, mine, after) == 1); });
  std::thread other([h = weft::this_hub()]() mutable {
    for (int k = 0; k < 3; ++k) h.post([text = std::string("posted from afar")] { static_cast<void>(text); });
  });
  reader.join();
  other.join();
  CHECK(got == 'x');
  for (std::size_t r = 0; r < 16; ++r) CHECK(std::memcmp(&mine[r * 32], &after[r * 32], 16) == 0);
  close(ends[0]);
  close(ends[1]);
}
