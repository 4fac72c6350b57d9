#include "io/fd_facts.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "io/mounts.hpp"
#include "sys/atomic.hpp"
#include "sys/syscall.hpp"

namespace weft::io::facts {

words known;

namespace {

constexpr std::uint32_t one_change = 0x10000;

sys::atomic<bool> duplicates;

void forget_in(words::word& w, std::uint32_t which) noexcept {
  std::uint32_t seen = w.load_relaxed();
  while (!w.compare_exchange(seen, (seen & ~which) + one_change)) {
  }
}

}  // namespace

void add(int fd, std::uint32_t seen, std::uint32_t more) noexcept {
  words::word* w = known.find_or_make(fd);
  if (w == nullptr) return;
  std::uint32_t now = seen;
  while (!w->compare_exchange(now, now | more))
    if (now / one_change != seen / one_change) return;
}

void forget(int fd, std::uint32_t which) noexcept {
  words::word* w = known.find(fd);
  if (w != nullptr) forget_in(*w, which);
}

void forget_range(unsigned first, unsigned last, std::uint32_t which) noexcept {
  known.each(first, last, [which](int, words::word& w) {
    if ((w.load_relaxed() & all_facts) != 0) forget_in(w, which);
  });
}

void forget_shared(int fd, std::uint32_t which) noexcept {
  if (duplicates.load_relaxed())
    forget_range(0, ~0u, which);
  else
    forget(fd, which);
}

void note_duplicate() noexcept {
  if (!duplicates.load_relaxed()) duplicates.store_relaxed(true);
}

namespace {

kind file_kind(int fd, const struct stat& st) noexcept {
  // Only memory files know seals; those of memfd_create stand on no mount.
  if (S_ISREG(st.st_mode) && major(st.st_dev) == 0 &&
      (storage_of(st.st_dev) == storage::memory || sys::raw(SYS_fcntl, fd, F_GET_SEALS) >= 0))
    return kind::always_ready;
  const long flags = sys::raw(SYS_fcntl, fd, F_GETFL);
  return flags >= 0 && (flags & (O_DIRECT | O_DSYNC | O_SYNC)) != 0 ? kind::direct : kind::disk;
}

}  // namespace

long ask_kind(int fd) noexcept {
  struct stat st;
  const long got = sys::raw(SYS_fstat, fd, &st);
  if (got < 0) return got;
  kind k = kind::anonymous;
  switch (st.st_mode & S_IFMT) {
    case S_IFSOCK: k = kind::socket; break;
    case S_IFIFO: k = kind::pipe; break;
    // Major 1 are the memory devices: null, zero, full, random.
    case S_IFCHR: k = major(st.st_rdev) == 1 ? kind::always_ready : kind::terminal; break;
    case S_IFDIR: k = kind::always_ready; break;
    case S_IFREG:
    case S_IFBLK: k = file_kind(fd, st); break;
  }
  return static_cast<long>(k);
}

long learn_kind_of(int fd) noexcept {
  const std::uint32_t seen = get(fd);
  const long k = ask_kind(fd);
  if (k >= 0) add(fd, seen, kind_known | static_cast<std::uint32_t>(k) << kind_shift);
  return k;
}

}  // namespace weft::io::facts
