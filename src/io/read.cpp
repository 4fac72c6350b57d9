// read and readv on whatever can be waited for: sockets, pipes, terminals, eventfds. Files on disk are file_transfer.cpp's.
//
// RWF_NOWAIT asks the kernel not to wait in this one call. Where a file does not know it (terminals, pipes of kernels before 6.4),
// poll(2) is asked first; another reader may then be faster, so a pipe or terminal that is not O_NONBLOCK is read by a thread.
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <cerrno>
#include <fcntl.h>
#include <sys/uio.h>

#include "io/fd_facts.hpp"
#include "io/file_transfer.hpp"
#include "io/iov.hpp"
#include "io/low_water.hpp"
#include "io/ops.hpp"
#include "io/plain_tcp.hpp"
#include "io/receive.hpp"
#include "io/shared_end.hpp"
#include "io/until_ready.hpp"
#include "sys/features.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

constexpr unsigned long most_parts = 1024;  // UIO_MAXIOV

// parts_reader's answer for "wait for no longer than patience()".
constexpr long impatient = not_on_disk - 1;

class parts_reader {
public:
  parts_reader(hub& h, int fd, const iovec* parts, unsigned long count) noexcept
      : h_(h), fd_(fd), parts_(parts), count_(count) {}

  long operator()() noexcept {
    if (nowait_) {
      const long got = sys::raw(SYS_preadv2, fd_, parts_, count_, -1L, -1L, RWF_NOWAIT);
      if (got == -EAGAIN) return for_files(got);
      if (got != -EOPNOTSUPP) return got;
      nowait_ = false;
    }
    if (kind() == static_cast<long>(facts::kind::socket)) {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts_);
      message.msg_iovlen = count_;
      return sys::raw(SYS_recvmsg, fd_, &message, MSG_DONTWAIT);
    }
    if (!opened_for(fd_, O_RDONLY)) return -EBADF;  // of which poll(2) knows nothing
    const long ready = ready_now(fd_, POLLIN);
    if (ready <= 0) return ready == 0 ? nothing_there() : ready;
    return take();
  }
  // What poll(2) announced.
  long take() noexcept { return shared_and_blocking(fd_, kind()) ? by_thread() : as_it_is(); }
  long by_thread() const noexcept {
    return offload(h_, call_of(SYS_readv, fd_, parts_, count_), never, "read", offload_kind::waits);
  }
  // How long a terminal's read waits for a first byte after which it would answer 0; `never` for as long as it takes.
  nanos patience() const noexcept { return patience_; }
  long as_it_is() const noexcept { return sys::raw(SYS_readv, fd_, parts_, count_); }

private:
  // A terminal in non-canonical mode with VMIN 0 answers 0 when nothing comes (termios(3)), at once or after VTIME tenths of a second.
  // With VMIN above 0, VTIME runs between bytes: the kernel's to measure once there is one.
  long nothing_there() noexcept {
    if (kind() != static_cast<long>(facts::kind::terminal)) return -EAGAIN;
    termios mode{};
    if (sys::raw(SYS_ioctl, fd_, TCGETS, &mode) != 0 || (mode.c_lflag & ICANON) != 0 || mode.c_cc[VMIN] != 0) return -EAGAIN;
    if (mode.c_cc[VTIME] == 0) return as_it_is();
    patience_ = static_cast<nanos>(mode.c_cc[VTIME]) * 100'000'000;
    return impatient;
  }
  // A file whose bytes are not in memory says EAGAIN too, and is read as it is: it will come.
  long for_files(long got) noexcept { return kind() == static_cast<long>(facts::kind::always_ready) ? as_it_is() : got; }
  long kind() noexcept {
    if (kind_ < 0) kind_ = facts::ask_kind(fd_);
    return kind_;
  }

  hub& h_;
  int fd_;
  const iovec* parts_;
  unsigned long count_;
  long kind_ = -1;
  nanos patience_ = never;
  bool nowait_ = sys::have(sys::feature::nowait);
};

long read_within(hub& h, park_rules& rules, int fd, parts_reader& reader) noexcept {
  if (const long refused = rules.before_park(); refused != 0) return refused;
  core::fd_entry* e = h.fds.get(fd);
  if (e == nullptr) return -ENOMEM;
  const nanos deadline = detail::now(h) + reader.patience();
  for (;;) {
    const std::uint32_t sequence = e->sequence;
    if (const long ready = ready_now(fd, POLLIN); ready != 0) return ready < 0 ? ready : reader.take();
    if (e->sequence != sequence) continue;
    if (const long waited = wait_fd(h, fd, *e, poller::in, deadline, "read"); waited != 0) return waited == timed_out ? 0 : waited;
  }
}

}  // namespace

long read(hub& h, caller who, int fd, void* to, std::size_t n) noexcept {
  if (n == 0) return sys::raw(SYS_read, fd, to, n);  // never waits, unlike recv of nothing
  core::fd_entry* e = h.fds.get(fd);
  if (e != nullptr && plain_tcp(fd, *e)) {
    const long got = recv(h, who, fd, to, n, 0);
    if (got != -ENOTSOCK) return got;
  }
  const iovec one{to, n};
  return readv(h, who, fd, &one, 1);
}

long readv(hub& h, caller who, int fd, const iovec* parts, unsigned long count) noexcept {
  if (count > most_parts) return sys::raw(SYS_readv, fd, parts, count);  // EINVAL
  core::fd_entry* e = h.fds.get(fd);
  if (e != nullptr && kind_of(fd, *e) == core::fd_kind::file)
    if (const long got = transfer(h, who, {false, fd, parts, count, -1, 0}); got != not_on_disk) return got;
  park_rules rules(h, who, fd, side::receive);
  parts_reader reader(h, fd, parts, count);
  const long got = until_ready(h, rules, fd, poller::in, "read", [&] { return reader(); }, [&] { return reader.by_thread(); });
  if (got > 0 && low_water_used.load_relaxed()) [[unlikely]]
    return receive_rest(h, rules, fd, "read", parts, count, 0, least_bytes(fd, total_bytes(parts, count)), static_cast<std::size_t>(got));
  return got == impatient ? read_within(h, rules, fd, reader) : got;
}

}  // namespace weft::io
