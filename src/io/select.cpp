// select and pselect6, with any number of descriptors: libc's fd_set ends at 1,024, the kernel's does not.
#include <cerrno>
#include <poll.h>
#include <sys/resource.h>

#include "io/durations.hpp"
#include "io/mask_watch.hpp"
#include "io/ops.hpp"
#include "io/poll_set.hpp"
#include "io/user_memory.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

using word = std::uint64_t;

struct kernel_mask {
  const void* mask;
  std::size_t size;
};

// The three sets as the program gave them, and a copy for the kernel to answer in.
class bit_sets {
public:
  bit_sets() noexcept = default;
  ~bit_sets() {
    if (words_ != local_) sys::unmap(words_, mapped_);
  }
  bit_sets(const bit_sets&) = delete;
  bit_sets& operator=(const bit_sets&) = delete;

  // 0 or -errno.
  long take(int count, void* const (&user)[3]) noexcept {
    bytes_ = static_cast<std::size_t>(count + 63) / 64 * 8;
    if (bytes_ * 6 > sizeof local_) {
      mapped_ = sys::round_up(bytes_ * 6, sys::page_size);
      auto* more = static_cast<word*>(sys::map(mapped_));
      if (more == nullptr) return -ENOMEM;
      words_ = more;
    }
    for (int s = 0; s < 3; ++s) {
      user_[s] = user[s];
      if (user[s] == nullptr) sys::fill(wanted(s), 0, bytes_);
      else if (!copy_in(wanted(s), user[s], bytes_)) return -EFAULT;
    }
    return 0;
  }
  word* wanted(int s) noexcept { return words_ + bytes_ / 8 * static_cast<std::size_t>(s); }
  word* answer(int s) noexcept { return user_[s] == nullptr ? nullptr : wanted(s + 3); }
  void reset_answers() noexcept { sys::copy(wanted(3), wanted(0), bytes_ * 3); }
  long give_back() noexcept {
    for (int s = 0; s < 3; ++s)
      if (user_[s] != nullptr && !copy_out(user_[s], answer(s), bytes_)) return -EFAULT;
    return 0;
  }

private:
  void* user_[3] = {};
  std::size_t bytes_ = 0, mapped_ = 0;
  word* words_ = local_;
  word local_[3 * 2 * 16];
};

// More descriptors than can be open are cut off, as the kernel does: the program's sets may end there.
int possible(int count) noexcept {
  if (count <= 1024) return count;
  rlimit limit{};
  if (sys::raw(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit) != 0) return count;
  const rlim_t most = limit.rlim_max > 1024 ? limit.rlim_max : 1024;
  return static_cast<rlim_t>(count) > most ? static_cast<int>(most) : count;
}

void collect(poll_set& set, bit_sets& sets, int count) noexcept {
  constexpr int events[3] = {POLLIN, POLLOUT, POLLPRI};
  set.clear();
  for (int fd = 0; fd < count; ++fd) {
    int wanted = 0;
    for (int s = 0; s < 3; ++s)
      if (sets.wanted(s)[fd / 64] >> (fd % 64) & 1) wanted |= events[s];
    if (wanted != 0) set.add(fd, wanted);
  }
}

std::size_t members(bit_sets& sets, int count) noexcept {
  std::size_t n = 0;
  for (int fd = 0; fd < count; ++fd)
    n += (sets.wanted(0)[fd / 64] | sets.wanted(1)[fd / 64] | sets.wanted(2)[fd / 64]) >> (fd % 64) & 1;
  return n;
}

long select_until(hub& h, int count, void* const (&user)[3], nanos limit, const kernel_mask* mask) noexcept {
  if (count < 0) return -EINVAL;
  count = possible(count);
  bit_sets sets;
  if (const long error = sets.take(count, user); error != 0) return error;
  const auto look = [&] {
    timespec none{};
    sets.reset_answers();
    return sys::raw(SYS_pselect6, count, sets.answer(0), sets.answer(1), sets.answer(2), &none, mask);
  };
  const nanos deadline = deadline_in(h, limit);
  long found = look();
  if (found == 0 && limit != 0) {
    const mask_watch signals(h, mask != nullptr ? mask->mask : nullptr);
    poll_set set(h);
    if (!set.reserve(members(sets, count) + 1)) return -ENOMEM;
    for (;;) {
      collect(set, sets, count);
      if (signals.fd() >= 0) set.add(signals.fd(), POLLIN);
      const long waited = set.park(deadline, "select");
      if (waited != 0 && waited != timed_out) return never_again(waited);
      found = look();
      if (found != 0 || waited == timed_out) break;
    }
  }
  if (found < 0) return found;
  const long error = sets.give_back();
  return error != 0 ? error : found;
}

}  // namespace

long select(hub& h, int count, void* in, void* out, void* except, timeval* limit) noexcept {
  timeval allowed{};
  if (limit != nullptr && !copy_in(&allowed, limit, sizeof allowed)) return -EFAULT;
  if (allowed.tv_sec < 0 || allowed.tv_usec < 0) return -EINVAL;
  // More than a second's worth of microseconds is allowed here.
  const timespec whole{allowed.tv_sec + allowed.tv_usec / 1'000'000, allowed.tv_usec % 1'000'000 * 1'000};
  const nanos length = limit == nullptr ? never : length_of(whole);
  const nanos deadline = deadline_in(h, length);
  const long found = select_until(h, count, {in, out, except}, length, nullptr);
  if (limit != nullptr && (!is_ended(found) || found == signalled_for_good)) {
    const timespec left = sys::to_timespec(left_until(h, deadline));
    const timeval rest{left.tv_sec, left.tv_nsec / 1'000};
    copy_out(limit, &rest, sizeof rest);
  }
  return found;
}

long pselect(hub& h, int count, void* in, void* out, void* except, timespec* limit, const void* mask) noexcept {
  nanos length;
  if (const long error = take_limit(limit, length); error != 0) return error;
  kernel_mask given{};
  if (mask != nullptr && !copy_in(&given, mask, sizeof given)) return -EFAULT;
  const nanos deadline = deadline_in(h, length);
  const bool masked = mask != nullptr && given.mask != nullptr;
  const long found = select_until(h, count, {in, out, except}, length, masked ? &given : nullptr);
  if (limit != nullptr && (!is_ended(found) || found == signalled_for_good)) give_left(h, deadline, limit);
  return found;
}

}  // namespace weft::io
