// Handlers and rows of the calls that wait for children.
#include <sys/wait.h>

#include "io/children.hpp"
#include "io/dispatch.hpp"
#include "io/door.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// With __WNOTHREAD only children of the calling thread count, which nobody else can wait for.
bool never_ours(long options) noexcept { return (options & (WNOHANG | __WNOTHREAD)) != 0; }

door_answer on_wait4(door_frame* f, long) noexcept {
  if (never_ours(f->rdx)) return pass_on;
  return cooperate(f, [f](hub& h) {
    return wait4(h, static_cast<int>(f->rdi), reinterpret_cast<int*>(f->rsi), static_cast<int>(f->rdx), reinterpret_cast<void*>(f->r10));
  });
}

door_answer on_waitid(door_frame* f, long) noexcept {
  if (never_ours(f->r10)) return pass_on;
  return cooperate(f, [f](hub& h) {
    return waitid(h, static_cast<int>(f->rdi), static_cast<int>(f->rsi), reinterpret_cast<void*>(f->rdx), static_cast<int>(f->r10),
                  reinterpret_cast<void*>(f->r8));
  });
}

constexpr const char* group = "wait";

constexpr door_entry rows[] = {
    {SYS_wait4, group, "wait4", {on_wait4}},
    {SYS_waitid, group, "waitid", {on_waitid}},
};

}  // namespace

door_rows child_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

}  // namespace weft::io
