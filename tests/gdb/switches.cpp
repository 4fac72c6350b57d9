// Two fibers that switch to and fro, for gdb to stop at any instruction of it.
#include <cstdio>

#include "weft/fiber.hpp"

volatile int looked = 0;

namespace {

[[gnu::noinline]] void stage() { asm volatile(""); }

[[gnu::noinline]] void ping() {
  while (looked == 0) weft::this_fiber::yield();
}

[[gnu::noinline]] void pong() {
  for (int turn = 0; looked == 0; ++turn) {
    if (turn == 100) stage();
    weft::this_fiber::yield();
  }
}

}  // namespace

int main() {
  auto a = weft::spawn({.name = "ping"}, ping), b = weft::spawn({.name = "pong"}, pong);
  a.get();
  b.get();
  std::printf("both ended\n");
}
