// Memory for a trace: a mapped file beside the one that was asked for, so that it outlives a process that is killed; where there can
// be none (no room, no right to, a limit on files), memory of the process. Also in the child of a fork, on its first record, which may
// be made anywhere: no libc.
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/trace.hpp"
#include "sys/clock.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::core::trace {

target current;

namespace {

constexpr std::size_t longest = sizeof current.path - 64;
char pattern[longest];  // as it was asked for; %p stands for the process
char run_id[run_bytes];
long opened_by = 0;

std::size_t put(char* to, std::size_t at, const char* text) noexcept {
  for (; *text != 0; ++text) to[at++] = *text;
  to[at] = 0;
  return at;
}

std::size_t put(char* to, std::size_t at, long number) noexcept {
  char digits[24];
  std::size_t n = sizeof digits;
  digits[--n] = 0;
  do digits[--n] = static_cast<char>('0' + number % 10);
  while ((number /= 10) != 0);
  return put(to, at, digits + n);
}

// The name that a process tries after others were taken: FILE, FILE.PID, FILE.PID.2, ...; where the pattern tells processes apart,
// PATH, PATH.2, ...
void name_files(unsigned attempt) noexcept {
  const long process = sys::raw(SYS_getpid);
  std::size_t at = 0;
  bool told_apart = false;
  for (const char* c = pattern; *c != 0 && at < longest; ++c) {
    if (c[0] == '%' && c[1] == 'p') {
      at = put(current.path, at, process);
      told_apart = true;
      ++c;
    } else {
      current.path[at++] = *c;
    }
  }
  current.path[at] = 0;
  if (!told_apart && attempt > 0) {
    at = put(current.path, put(current.path, at, "."), process);
    --attempt;
  }
  if (attempt > 0) put(current.path, put(current.path, at, "."), static_cast<long>(attempt) + 1);
  put(current.raw, put(current.raw, 0, current.path), ".raw");
}

// Whether the file is a trace of this very run, by another process or by what this one was before it became another program.
bool is_of_this_run() noexcept {
  const long fd = sys::raw(SYS_openat, AT_FDCWD, current.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0) return false;
  char begin[200];
  const long n = sys::raw(SYS_read, fd, &begin[0], sizeof begin - 1);
  sys::raw(SYS_close, fd);
  const long length = static_cast<long>(sys::length(run_id));
  for (long i = 0; i + length <= n; ++i) {
    long k = 0;
    while (k < length && begin[i + k] == run_id[k]) ++k;
    if (k == length) return true;
  }
  return false;
}

// The file of a trace that a living process records.
bool in_use(const char* raw) noexcept {
  const long fd = sys::raw(SYS_openat, AT_FDCWD, raw, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
  if (fd < 0) return false;
  struct {
    std::uint64_t magic;
    std::uint32_t process;
  } begin{};
  const long n = sys::raw(SYS_read, fd, &begin, sizeof begin);
  sys::raw(SYS_close, fd);
  if (n != sizeof begin || begin.magic != magic) return false;
  const auto process = static_cast<long>(begin.process);
  if (process == sys::raw(SYS_getpid)) return false;  // of the program that was here before an exec
  return sys::raw(SYS_kill, process, 0) != -ESRCH;
}

// Mapped, or null where there can be no such file. All of its room is taken now: a full disk would be a SIGBUS later.
void* map_file(std::size_t bytes) noexcept {
  rlimit limit{};
  if (sys::raw(SYS_prlimit64, 0, RLIMIT_FSIZE, nullptr, &limit) != 0 || limit.rlim_cur < bytes) return nullptr;
  const long fd = sys::raw(SYS_openat, AT_FDCWD, current.raw, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return nullptr;
  long at = sys::raw(SYS_fallocate, fd, 0, 0, bytes);
  if (at == 0) at = sys::raw(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  sys::raw(SYS_close, fd);
  if (at > 0) return reinterpret_cast<void*>(at);
  sys::raw(SYS_unlinkat, AT_FDCWD, current.raw, 0);
  return nullptr;
}

void* map_memory(std::size_t bytes) noexcept {
  constexpr unsigned most_names = 100;
  for (unsigned attempt = 0; attempt < most_names; ++attempt) {
    name_files(attempt);
    if (in_use(current.raw) || is_of_this_run()) continue;
    sys::raw(SYS_unlinkat, AT_FDCWD, current.raw, 0);  // of a process that was killed
    if (void* at = map_file(bytes); at != nullptr) return at;
    if (in_use(current.raw)) continue;  // another one came first
    break;
  }
  current.raw[0] = 0;
  return sys::map(bytes);
}

void begin_header(header& h, std::uint32_t chunks) noexcept {
  h.process = static_cast<std::uint32_t>(opened_by);
  h.chunks = chunks;
  sys::raw(SYS_prctl, PR_GET_NAME, &h.program[0]);
  sys::copy(h.run, run_id, sizeof h.run);
  h.first_ns = h.last_ns = sys::monotonic_ns();
  h.first_cycles = h.last_cycles = sys::cycles();
  __atomic_store_n(&h.magic, magic, __ATOMIC_RELEASE);
}

}  // namespace

long owner() noexcept { return opened_by; }

void note_clocks() noexcept {
  header& h = head(current.map);
  h.last_ns = sys::monotonic_ns();
  h.last_cycles = sys::cycles();
}

long ask(const char* path, const char* run, std::uint64_t bytes) noexcept {
  if (sys::length(path) >= longest - 32) return -ENAMETOOLONG;
  put(pattern, 0, path);
  std::size_t n = 0;
  for (; n + 1 < sizeof run_id && run[n] != 0; ++n) run_id[n] = run[n];
  run_id[n] = 0;
  // The size is the first trace's: its place is used again, since a thread may be in the middle of a record.
  constexpr std::uint32_t fewest = 8, most = 1u << 17;
  if (current.map != nullptr) return 0;
  const std::uint64_t wanted = bytes / sizeof(chunk);
  current.chunks = wanted < fewest ? fewest : wanted > most ? most : static_cast<std::uint32_t>(wanted);
  return 0;
}

long prepare_file() noexcept {
  name_files(0);
  const long fd = sys::raw(SYS_openat, AT_FDCWD, current.path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
  if (fd < 0) return fd;
  // A process that is killed before it has anything to tell leaves a trace, too.
  constexpr char nothing[] = "{\"traceEvents\":[]}\n";
  if (sys::raw(SYS_ftruncate, fd, 0) == 0) sys::raw(SYS_write, fd, &nothing[0], sizeof nothing - 1);
  sys::raw(SYS_close, fd);
  return 0;
}

bool make() noexcept {
  const long before = opened_by, process = sys::raw(SYS_getpid);
  const std::size_t size = bytes_for(current.chunks);
  void* at = map_memory(size);
  if (at == nullptr) return false;
  header& mine = head(at);
  opened_by = process;
  if (current.map != nullptr && before != process) {
    // A forked child's fibers are its parent's, and called the same.
    const header& theirs = head(current.map);
    sys::copy(mine.names, theirs.names, sizeof mine.names);
    sys::copy(mine.labels, theirs.labels, sizeof mine.labels);
    mine.forked_from = static_cast<std::uint64_t>(before);
  }
  begin_header(mine, current.chunks);
  if (current.map == nullptr) {
    __atomic_store_n(&current.map, at, __ATOMIC_RELEASE);
    return true;
  }
  return sys::raw(SYS_mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, current.map) > 0;
}

}  // namespace weft::core::trace
