#include "poller/select_poller.hpp"

#include <cerrno>
#include <fcntl.h>

#include "sys/clock.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::poller {

bool select_poller::reserve(int fd) noexcept {
  if (fd < capacity_) return true;
  int capacity = capacity_ == 0 ? 4096 : capacity_;
  while (capacity <= fd) capacity *= 2;
  const std::size_t set_bytes = static_cast<std::size_t>(capacity) / 8;
  const std::size_t bytes = set_bytes * set_count * 2 + static_cast<std::size_t>(capacity) * sizeof(std::uint32_t);
  char* at = static_cast<char*>(sys::map(bytes));
  if (at == nullptr) return false;
  char* old = reinterpret_cast<char*>(wanted_[0]);
  for (int s = 0; s < set_count; ++s) {
    auto* fresh = reinterpret_cast<word*>(at + set_bytes * static_cast<std::size_t>(s));
    if (old != nullptr) sys::copy(fresh, wanted_[s], static_cast<std::size_t>(capacity_) / 8);
    wanted_[s] = fresh;
    got_[s] = reinterpret_cast<word*>(at + set_bytes * static_cast<std::size_t>(set_count + s));
  }
  auto* generations = reinterpret_cast<std::uint32_t*>(at + set_bytes * set_count * 2);
  if (old != nullptr) {
    sys::copy(generations, generation_, static_cast<std::size_t>(capacity_) * sizeof(std::uint32_t));
    const std::size_t old_set = static_cast<std::size_t>(capacity_) / 8;
    sys::unmap(old, old_set * set_count * 2 + static_cast<std::size_t>(capacity_) * sizeof(std::uint32_t));
  }
  generation_ = generations;
  capacity_ = capacity;
  return true;
}

int select_poller::watch(int fd, std::uint32_t events, registration& r) noexcept {
  if (fd < 0 || sys::raw(SYS_fcntl, fd, F_GETFD) < 0) return -EBADF;
  if (!reserve(fd)) return -ENOMEM;
  const word bit = word{1} << fd % word_bits;
  const int at = fd / word_bits;
  // As epoll does, readers hear of urgent data too.
  if (events & in) wanted_[readable][at] |= bit;
  if (events & out) wanted_[writable][at] |= bit;
  if (events & pri) wanted_[urgent][at] |= bit;
  generation_[fd] = r.generation;
  if (fd > highest_) highest_ = fd;
  return 0;
}

void select_poller::clear(int fd) noexcept {
  if (fd >= capacity_) return;
  for (auto& set : wanted_) set[fd / word_bits] &= ~(word{1} << fd % word_bits);
}

void select_poller::forget(int fd, registration& r) noexcept {
  clear(fd);
  ++r.generation;
}

// select fails as a whole when one descriptor was closed behind our back: report those as errors, so that their waiters look.
bool select_poller::drop_closed() noexcept {
  int n = 0;
  for (int fd = 0; fd <= highest_ && n < batch; ++fd) {
    const word bit = word{1} << fd % word_bits;
    const int at = fd / word_bits;
    if (((wanted_[0][at] | wanted_[1][at] | wanted_[2][at]) & bit) == 0) continue;
    if (sys::raw(SYS_fcntl, fd, F_GETFD) >= 0) continue;
    clear(fd);
    events_[n++] = {err | hup, fd, generation_[fd]};
  }
  scan_from_ = n;
  return n > 0;
}

int select_poller::wait(std::uint64_t timeout) noexcept {
  const int limit = highest_ + 1;
  const std::size_t used = static_cast<std::size_t>(limit + word_bits - 1) / word_bits;
  for (int s = 0; s < set_count; ++s) sys::copy(got_[s], wanted_[s], used * sizeof(word));
  got_[readable][wake_fd_ / word_bits] |= word{1} << wake_fd_ % word_bits;
  timespec time = sys::to_timespec(timeout);
  const long n = sys::raw(SYS_pselect6, limit, got_[readable], got_[writable], got_[urgent],
                          timeout == ~std::uint64_t{0} ? nullptr : &time, nullptr);
  if (n == -EBADF) {
    if (!drop_closed()) return 0;
    const int dropped = scan_from_;
    scan_from_ = 0;
    return dropped;
  }
  if (n <= 0) return 0;
  int kept = 0;
  const int words = static_cast<int>(used);
  if (scan_from_ >= words) scan_from_ = 0;
  for (int step = 0; step < words && kept < batch; ++step) {
    const int at = (scan_from_ + step) % words;
    word any = got_[readable][at] | got_[writable][at] | got_[urgent][at];
    for (; any != 0 && kept < batch; any &= any - 1) {
      const int fd = at * word_bits + __builtin_ctzll(any);
      const word bit = word{1} << fd % word_bits;
      if (fd == wake_fd_) {
        drain_wake();
        continue;
      }
      std::uint32_t events = 0;
      if (got_[readable][at] & bit) events |= in | rdhup, wanted_[readable][at] &= ~bit;
      if (got_[writable][at] & bit) events |= out, wanted_[writable][at] &= ~bit;
      if (got_[urgent][at] & bit) events |= pri, wanted_[urgent][at] &= ~bit;
      events_[kept++] = {events, fd, generation_[fd]};
    }
    if (kept == batch) scan_from_ = at;
  }
  return kept;
}

int select_poller::reopen() noexcept {
  if (wake_fd_ >= 0) close_own(wake_fd_);
  wake_fd_ = -1;
  const int error = open_wake();
  if (error != 0) return error;
  if (!reserve(wake_fd_)) return -ENOMEM;
  for (auto& set : wanted_) sys::fill(set, 0, static_cast<std::size_t>(capacity_) / 8);
  highest_ = wake_fd_;
  return 0;
}

int select_poller::move(int) noexcept {
  const int elsewhere = number_elsewhere(wake_fd_);
  if (elsewhere < 0) return elsewhere;
  if (!reserve(elsewhere)) {
    close_own(elsewhere);
    return -ENOMEM;
  }
  __atomic_store_n(&wake_fd_, elsewhere, __ATOMIC_SEQ_CST);
  if (elsewhere > highest_) highest_ = elsewhere;
  return 0;
}

void select_poller::shut() noexcept {
  if (wake_fd_ >= 0) close_own(wake_fd_);
  wake_fd_ = -1;
  if (wanted_[0] != nullptr) {
    const std::size_t set_bytes = static_cast<std::size_t>(capacity_) / 8;
    sys::unmap(wanted_[0], set_bytes * set_count * 2 + static_cast<std::size_t>(capacity_) * sizeof(std::uint32_t));
  }
  wanted_[0] = nullptr;
  capacity_ = 0;
}

}  // namespace weft::poller
