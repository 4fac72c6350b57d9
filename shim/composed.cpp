// The wrappers that are more than one line: libc's function does something of its own around the system call.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <sys/ioctl.h>

#include "wrappers.hpp"

namespace weft::shim {

namespace {

constexpr cancellation point = cancellation::point, none = cancellation::none;

// libc's function behind the wrapper `call_name`, with that one's type.
#define NEXT(name)                      \
  static next_function next_##name{#name}; \
  const auto next = reinterpret_cast<decltype(&call_##name)>(next_##name.get())

// The kernel writes what is left into the limit; libc hands it a copy (ppoll(2), pselect(2)).
class limit_copy {
public:
  explicit limit_copy(const timespec* limit) : copy_(limit != nullptr ? *limit : timespec{}), given_(limit != nullptr) {}
  timespec* get() { return given_ ? &copy_ : nullptr; }

private:
  timespec copy_;
  bool given_;
};

// Sleeps; false when libc is to do it. `left` may be the same as `time`.
bool slept(long& result, const timespec* time, timespec* left) { return answered<point>(SYS_nanosleep, result, time, left); }

}  // namespace

int call_ppoll(pollfd* fds, nfds_t n, const timespec* limit, const sigset_t* mask) {
  NEXT(ppoll);
  if (handler_of(SYS_ppoll) == nullptr) return next(fds, n, limit, mask);
  limit_copy copy(limit);
  long result;
  if (answered<point>(SYS_ppoll, result, fds, n, copy.get(), mask, kernel_mask_size)) return static_cast<int>(posix(result));
  return next(fds, n, limit, mask);
}

int call_pselect(int n, fd_set* in, fd_set* out, fd_set* ex, const timespec* limit, const sigset_t* mask) {
  NEXT(pselect);
  if (handler_of(SYS_pselect6) == nullptr) return next(n, in, out, ex, limit, mask);
  limit_copy copy(limit);
  const struct {
    const sigset_t* mask;
    long size;
  } both{mask, kernel_mask_size};
  long result;
  if (answered<point>(SYS_pselect6, result, n, in, out, ex, copy.get(), &both)) return static_cast<int>(posix(result));
  return next(n, in, out, ex, limit, mask);
}

// Returns the error instead of setting errno.
int call_clock_nanosleep(int clock, int flags, const timespec* time, timespec* left) {
  NEXT(clock_nanosleep);
  long result;
  if (answered<point>(SYS_clock_nanosleep, result, clock, flags, time, left)) return static_cast<int>(-result);
  return next(clock, flags, time, left);
}

// C11: -1 for a signal, another negative number for anything else.
int call_thrd_sleep(const timespec* time, timespec* left) {
  NEXT(thrd_sleep);
  long result;
  if (answered<point>(SYS_clock_nanosleep, result, CLOCK_REALTIME, 0, time, left)) return result == 0 ? 0 : result == -EINTR ? -1 : -2;
  return next(time, left);
}

unsigned call_sleep(unsigned seconds) {
  NEXT(sleep);
  timespec time{static_cast<time_t>(seconds), 0};
  long result;
  if (!slept(result, &time, &time)) return next(seconds);
  return result < 0 ? static_cast<unsigned>(time.tv_sec) : 0;
}

int call_usleep(unsigned microseconds) {
  NEXT(usleep);
  const timespec time{static_cast<time_t>(microseconds / 1'000'000), static_cast<long>(microseconds % 1'000'000) * 1000};
  long result;
  if (!slept(result, &time, nullptr)) return next(microseconds);
  return static_cast<int>(posix(result));
}

void call_closefrom(int first) {
  NEXT(closefrom);
  long result;
  if (answered<none>(SYS_close_range, result, std::max(first, 0), UINT_MAX, 0)) return;
  next(first);
}

int call_tcdrain(int fd) {
  NEXT(tcdrain);
  long result;
  if (answered<point>(SYS_ioctl, result, fd, TCSBRK, 1)) return static_cast<int>(posix(result));
  return next(fd);
}

int call_open64(const char* path, int flags, unsigned mode) {
  NEXT(open64);
  if (!wants_mode(flags)) mode = 0;
  long result;
  if (answered<point>(SYS_openat, result, AT_FDCWD, path, flags, mode)) return static_cast<int>(posix(result));
  return next(path, flags, mode);
}

int call_openat64(int at, const char* path, int flags, unsigned mode) {
  NEXT(openat64);
  if (!wants_mode(flags)) mode = 0;
  long result;
  if (answered<point>(SYS_openat, result, at, path, flags, mode)) return static_cast<int>(posix(result));
  return next(at, path, flags, mode);
}

void call_sync() {
  NEXT(sync);
  long result;
  if (!answered<none>(SYS_sync, result)) next();
}

// Only F_LOCK waits; it is a write lock from the present position on.
int call_lockf64(int fd, int what, off_t n) {
  NEXT(lockf64);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_CUR;
  lock.l_len = n;
  long result;
  if (what == F_LOCK && answered<point>(SYS_fcntl, result, fd, F_SETLKW, &lock)) return static_cast<int>(posix(result));
  return next(fd, what, n);
}

int call_fchmodat(int at, const char* path, mode_t mode, int flags) {
  NEXT(fchmodat);
  long result;
  // The system call knows no flags; libc has its own way for them.
  if (flags == 0 && answered<none>(SYS_fchmodat, result, at, path, mode)) return static_cast<int>(posix(result));
  return next(at, path, mode, flags);
}

// These two return the error.
int call_posix_fadvise64(int fd, off_t at, off_t n, int advice) {
  NEXT(posix_fadvise64);
  long result;
  if (answered<none>(SYS_fadvise64, result, fd, at, n, advice)) return static_cast<int>(-result);
  return next(fd, at, n, advice);
}

int call_posix_fallocate64(int fd, off_t at, off_t n) {
  NEXT(posix_fallocate64);
  long result;
  // Where the file system cannot, libc writes into each block.
  if (answered<point>(SYS_fallocate, result, fd, 0, at, n) && result != -EOPNOTSUPP) return static_cast<int>(-result);
  return next(fd, at, n);
}

void* call_mmap64(void* at, size_t n, int rights, int flags, int fd, off_t from) {
  NEXT(mmap64);
  long result;
  if (answered<none>(SYS_mmap, result, at, n, rights, flags, fd, from)) return reinterpret_cast<void*>(posix(result));
  return next(at, n, rights, flags, fd, from);
}

// Variadic for its callers: the address is in its register whether it was given or not.
void* call_mremap(void* at, size_t n, size_t wanted, int flags, void* to) {
  NEXT(mremap);
  long result;
  if (answered<none>(SYS_mremap, result, at, n, wanted, flags, to)) return reinterpret_cast<void*>(posix(result));
  return next(at, n, wanted, flags, to);
}

int call_sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* limit) {
  NEXT(sigtimedwait);
  long result;
  if (!answered<point>(SYS_rt_sigtimedwait, result, set, info, limit, kernel_mask_size)) return next(set, info, limit);
  // raise() and pthread_kill() are kill() to those who look (libc does so).
  if (result > 0 && info != nullptr && info->si_code == SI_TKILL) info->si_code = SI_USER;
  return static_cast<int>(posix(result));
}

int call_sigwaitinfo(const sigset_t* set, siginfo_t* info) {
  NEXT(sigwaitinfo);
  return handler_of(SYS_rt_sigtimedwait) == nullptr ? next(set, info) : call_sigtimedwait(set, info, nullptr);
}

// Returns the error, and never EINTR.
int call_sigwait(const sigset_t* set, int* signal) {
  NEXT(sigwait);
  for (;;) {
    long result;
    if (!answered<point>(SYS_rt_sigtimedwait, result, set, nullptr, nullptr, kernel_mask_size)) return next(set, signal);
    if (result == -EINTR) continue;
    if (result < 0) return static_cast<int>(-result);
    *signal = static_cast<int>(result);
    return 0;
  }
}

}  // namespace weft::shim
