// System calls as submissions to io_uring: only those whose operation does exactly the same.
//
// Left out: reads and writes at the file position (io_uring takes it without the lock that makes them atomic), splice with
// offsets (it does not write them back), whatever has a time limit of its own.
#include <linux/futex.h>
#include <linux/io_uring.h>

#include "io/offload_ring.hpp"

namespace weft::io {
namespace {

// Of kernels newer than the headers may be.
constexpr unsigned op_waitid = 50, op_futex_wait = 51, op_ftruncate = 55, no_operation = 255;
constexpr std::uint64_t any_bit = 0xffffffff;
constexpr std::uint32_t most_bytes = 0x7ffff000;  // of one call, as the kernel cuts it
constexpr int futex_u32 = 2, futex_private = 128;

bool plain_futex_wait(const offload_call& c) noexcept {
  const long op = c.args[1] & ~long{FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME};
  return (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET) && c.args[3] == 0;
}

// -1 is the file position, to preadv2 as to io_uring; to pread64 it is an error.
bool at_an_offset(const offload_call& c) noexcept { return c.args[3] >= 0; }

}  // namespace

unsigned ring_operation(const offload_call& c) noexcept {
  switch (c.nr) {
    case SYS_pread64: return at_an_offset(c) ? unsigned{IORING_OP_READ} : no_operation;
    case SYS_pwrite64: return at_an_offset(c) ? unsigned{IORING_OP_WRITE} : no_operation;
    case SYS_preadv: return at_an_offset(c) ? unsigned{IORING_OP_READV} : no_operation;
    case SYS_pwritev: return at_an_offset(c) ? unsigned{IORING_OP_WRITEV} : no_operation;
    case SYS_preadv2: return at_an_offset(c) ? unsigned{IORING_OP_READV} : no_operation;
    case SYS_pwritev2: return at_an_offset(c) ? unsigned{IORING_OP_WRITEV} : no_operation;
    case SYS_fsync:
    case SYS_fdatasync: return IORING_OP_FSYNC;
    case SYS_fallocate: return IORING_OP_FALLOCATE;
    case SYS_ftruncate: return op_ftruncate;
    case SYS_openat: return IORING_OP_OPENAT;
    case SYS_openat2: return IORING_OP_OPENAT2;
    case SYS_statx: return IORING_OP_STATX;
    case SYS_renameat2: return IORING_OP_RENAMEAT;
    case SYS_unlinkat: return IORING_OP_UNLINKAT;
    case SYS_mkdirat: return IORING_OP_MKDIRAT;
    case SYS_symlinkat: return IORING_OP_SYMLINKAT;
    case SYS_linkat: return IORING_OP_LINKAT;
    case SYS_accept4: return IORING_OP_ACCEPT;
    case SYS_waitid: return c.args[4] == 0 ? op_waitid : no_operation;
    case SYS_futex: return plain_futex_wait(c) ? op_futex_wait : no_operation;
    default: return no_operation;
  }
}

bool can_ring(const offload_call& c) noexcept { return ring_operation(c) != no_operation; }

void fill_submission(const offload_call& c, io_uring_sqe& s) noexcept {
  const long* a = c.args;
  const auto word = [a](int i) { return static_cast<std::uint64_t>(a[i]); };
  const auto half = [a](int i) { return static_cast<std::uint32_t>(a[i]); };
  s.opcode = static_cast<std::uint8_t>(ring_operation(c));
  s.fd = static_cast<int>(a[0]);
  switch (c.nr) {
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_preadv:
    case SYS_pwritev:
    case SYS_preadv2:
    case SYS_pwritev2:
      s.addr = word(1);
      s.len = word(2) < most_bytes ? half(2) : most_bytes;
      s.off = word(3);
      if (c.nr == SYS_preadv2 || c.nr == SYS_pwritev2) s.rw_flags = half(5);
      break;
    case SYS_fdatasync: s.fsync_flags = IORING_FSYNC_DATASYNC; break;
    case SYS_fallocate:
      s.len = half(1);
      s.off = word(2);
      s.addr = word(3);
      break;
    case SYS_ftruncate: s.off = word(1); break;
    case SYS_openat:
      s.addr = word(1);
      s.open_flags = half(2);
      s.len = half(3);
      break;
    case SYS_openat2:
      s.addr = word(1);
      s.off = word(2);
      s.len = half(3);
      break;
    case SYS_statx:
      s.addr = word(1);
      s.statx_flags = half(2);
      s.len = half(3);
      s.off = word(4);
      break;
    case SYS_renameat2:
      s.addr = word(1);
      s.len = half(2);
      s.off = word(3);
      s.rename_flags = half(4);
      break;
    case SYS_unlinkat:
      s.addr = word(1);
      s.unlink_flags = half(2);
      break;
    case SYS_mkdirat:
      s.addr = word(1);
      s.len = half(2);
      break;
    case SYS_symlinkat:
      s.addr = word(0);
      s.fd = static_cast<int>(a[1]);
      s.off = word(2);
      break;
    case SYS_linkat:
      s.addr = word(1);
      s.len = half(2);
      s.off = word(3);
      s.hardlink_flags = half(4);
      break;
    case SYS_accept4:
      s.addr = word(1);
      s.off = word(2);
      s.accept_flags = half(3);
      break;
    case SYS_waitid:
      s.fd = static_cast<int>(a[1]);
      s.len = half(0);
      s.off = word(2);
      s.file_index = half(3);
      break;
    case SYS_futex: {
      const bool bits = (a[1] & ~long{FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME}) == FUTEX_WAIT_BITSET;
      s.fd = futex_u32 | ((a[1] & FUTEX_PRIVATE_FLAG) != 0 ? futex_private : 0);
      s.addr = word(0);
      s.off = half(2);
      s.addr3 = bits ? half(5) : any_bit;
      break;
    }
  }
}

}  // namespace weft::io
