#include "poller/epoll_poller.hpp"

#include <cerrno>
#include <cstddef>

#include "sys/clock.hpp"
#include "sys/features.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::poller {
namespace {

constexpr std::uint32_t wake_generation = ~0u;

// The kernel writes its reports where they are read: the data of each is `tag`, whose halves are the number and its generation.
static_assert(sizeof(event) == sizeof(epoll_event) && offsetof(event, events) == offsetof(epoll_event, events) &&
              offsetof(event, fd) == offsetof(epoll_event, data) && offsetof(event, generation) == offsetof(epoll_event, data) + 4);

std::uint64_t tag(int fd, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

// A seccomp filter that came after the hub (nothing else makes this call fail). Said once; a pause, or the hub would spin.
[[gnu::cold]] void wait_refused(long why) noexcept {
  static bool said = false;
  if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
    sys::report() << "epoll_pwait is refused (error " << -why << "; a seccomp filter?): no fiber will hear of its descriptors\n";
  const timespec pause{0, 10'000'000};
  sys::raw(SYS_nanosleep, &pause, nullptr);
}

}  // namespace

int epoll_poller::watch(int fd, std::uint32_t events, registration& r) noexcept {
  events &= in | out | pri;
  if ((events & ~r.watched) == 0) return 0;
  epoll_event e{};
  // Readers want to hear of FIN and urgent data too: they decide what a short read means.
  e.events = r.watched | events | EPOLLET | EPOLLRDHUP | EPOLLIN | EPOLLPRI;
  e.data.u64 = tag(fd, r.generation);
  const bool known = r.watched != 0;
  long got = sys::raw(SYS_epoll_ctl, epoll_fd_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
  if (got == -ENOENT) got = sys::raw(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_ADD, fd, &e);  // closed behind our back, then reused
  if (got == -EEXIST) got = sys::raw(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_MOD, fd, &e);
  if (got == 0) r.watched = static_cast<std::uint8_t>(e.events & (in | out | pri));
  return static_cast<int>(got);
}

void epoll_poller::forget(int fd, registration& r) noexcept {
  if (r.watched != 0) {
    epoll_event unused{};
    sys::raw(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_DEL, fd, &unused);
  }
  r.watched = 0;
  if (++r.generation == wake_generation) r.generation = 0;
}

int epoll_poller::wait(std::uint64_t timeout) noexcept {
  long n;
  if (timeout == 0) {
    n = sys::raw(SYS_epoll_pwait, epoll_fd_, events_, batch, 0, nullptr, 8);
  } else if (sys::have(sys::feature::pwait2)) {
    const timespec limit = sys::to_timespec(timeout);
    n = sys::raw(SYS_epoll_pwait2, epoll_fd_, events_, batch, timeout == ~std::uint64_t{0} ? nullptr : &limit, nullptr, 8);
    if (n == -ENOSYS || n == -EPERM) {  // EPERM: older container run-times refuse by it what they do not know
      sys::mark_missing(sys::feature::pwait2);
      return 0;
    }
  } else {
    // Milliseconds, rounded up: a timer must not fire early, nor the hub spin through the last one.
    std::uint64_t ms = timeout == ~std::uint64_t{0} ? 0 : (timeout + 999'999) / 1'000'000;
    if (ms > 0x7fffffff) ms = 0x7fffffff;
    n = sys::raw(SYS_epoll_pwait, epoll_fd_, events_, batch, timeout == ~std::uint64_t{0} ? -1 : static_cast<int>(ms), nullptr, 8);
  }
  if (n < 0 && n != -EINTR) [[unlikely]]
    wait_refused(n);
  if (n <= 0) return 0;
  for (long i = 0; i < n; ++i)
    if (events_[i].generation == wake_generation) [[unlikely]]
      return drop_wakes(static_cast<int>(n));
  return static_cast<int>(n);
}

// Takes what only ended the wait out of its reports.
int epoll_poller::drop_wakes(int n) noexcept {
  int kept = 0;
  for (int i = 0; i < n; ++i) {
    if (events_[i].generation == wake_generation)
      drain_wake();
    else
      events_[kept++] = events_[i];
  }
  return kept;
}

int epoll_poller::reopen() noexcept {
  shut();
  const long fd = sys::raw(SYS_epoll_create1, EPOLL_CLOEXEC);
  if (fd < 0) return static_cast<int>(fd);
  epoll_fd_ = move_up(static_cast<int>(fd));
  const int error = open_wake();
  return error != 0 ? error : watch_wake();
}

int epoll_poller::watch_wake() noexcept {
  epoll_event e{};
  e.events = EPOLLIN | EPOLLET;
  e.data.u64 = tag(wake_fd_, wake_generation);
  return static_cast<int>(sys::raw(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &e));
}

// The set knows a descriptor by its number and its file: the set itself keeps what it has under any number.
int epoll_poller::move(int fd) noexcept {
  const int elsewhere = number_elsewhere(fd);
  if (elsewhere < 0) return elsewhere;
  if (fd == epoll_fd_) {
    epoll_fd_ = elsewhere;
    return 0;
  }
  __atomic_store_n(&wake_fd_, elsewhere, __ATOMIC_SEQ_CST);
  const int error = watch_wake();  // a wake that came before is reported by the new one
  sys::raw(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  return error;
}

void epoll_poller::shut() noexcept {
  if (epoll_fd_ >= 0) close_own(epoll_fd_);
  if (wake_fd_ >= 0) close_own(wake_fd_);
  epoll_fd_ = wake_fd_ = -1;
}

}  // namespace weft::poller
