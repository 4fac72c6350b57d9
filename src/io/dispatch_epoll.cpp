// The rewritten sites' calls on the program's own epoll sets.
#include <cerrno>
#include <ctime>

#include "io/dispatch.hpp"
#include "io/door.hpp"
#include "io/durations.hpp"
#include "io/epoll.hpp"
#include "io/user_memory.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

door_answer wait(const door_frame* f, nanos limit, const void* mask, std::size_t mask_size) noexcept {
  if (limit == 0) return pass_on;
  return cooperate(f, [&](hub& h) {
    return epoll_wait(h, static_cast<int>(f->rdi), reinterpret_cast<epoll_event*>(f->rsi), static_cast<int>(f->rdx), limit, mask,
                      mask_size);
  });
}

nanos milliseconds(long word) noexcept {
  const int ms = static_cast<int>(word);
  return ms < 0 ? never : static_cast<nanos>(ms) * 1'000'000;
}

door_answer on_wait(door_frame* f, long) noexcept { return wait(f, milliseconds(f->r10), nullptr, 8); }

door_answer on_pwait(door_frame* f, long) noexcept {
  return wait(f, milliseconds(f->r10), reinterpret_cast<const void*>(f->r8), static_cast<std::size_t>(f->r9));
}

door_answer on_pwait2(door_frame* f, long) noexcept {
  if (company() == nullptr) return pass_on;
  nanos limit;
  if (const long error = take_limit(reinterpret_cast<const timespec*>(f->r10), limit); error != 0) return {error, 0};
  return wait(f, limit, reinterpret_cast<const void*>(f->r8), static_cast<std::size_t>(f->r9));
}

door_answer on_ctl(door_frame* f, long) noexcept {
  hub* h = own_hub();
  if (h == nullptr) return pass_on;
  const auto event = reinterpret_cast<void*>(f->r10);
  return {epoll_ctl(*h, static_cast<int>(f->rdi), static_cast<int>(f->rsi), static_cast<int>(f->rdx), event), 0};
}

constexpr door_entry rows[] = {
    {SYS_epoll_wait, "epoll", "epoll_wait", {on_wait}},
    {SYS_epoll_pwait, "epoll", "epoll_pwait", {on_pwait}},
    {SYS_epoll_pwait2, "epoll", "epoll_pwait2", {on_pwait2}},
    {SYS_epoll_ctl, "epoll", "epoll_ctl", {on_ctl}},
};

}  // namespace

door_rows epoll_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

}  // namespace weft::io
