// Handlers and rows of calls on open files, locks and System V objects that know no readiness.
#include "io/door.hpp"
#include "io/file_ops.hpp"
#include "io/file_transfer.hpp"
#include "io/frame_words.hpp"
#include "io/ops.hpp"

namespace weft::io {
namespace {

// pread64 and its kin, at an offset: only files on disk are ours, the rest fails or is at hand.
door_answer transfer_at(door_frame* f, bool out, const iovec* parts, unsigned long count, long offset, int flags) noexcept {
  const int fd = number(f->rdi);
  hub* h = company();
  if (h == nullptr || (flags & RWF_NOWAIT) != 0 || count > 1024 || !on_disk(caller::door, fd)) return pass_on;
  return cooperate_on(*h, f->vectors != 0, [=](hub& on) {
    const file_transfer t{out, fd, parts, count, offset, flags};
    return transfer(on, caller::door, t);
  });
}

door_answer on_single(door_frame* f, bool out) noexcept {
  if (f->r10 < 0) return pass_on;  // EINVAL
  const iovec one{pointer<void>(f->rsi), size(f->rdx)};
  return transfer_at(f, out, &one, 1, f->r10, 0);
}
door_answer on_pread(door_frame* f, long) noexcept { return on_single(f, false); }
door_answer on_pwrite(door_frame* f, long) noexcept { return on_single(f, true); }
door_answer on_preadv(door_frame* f, long nr) noexcept {
  // The second version takes -1 for the file position, and flags.
  const bool second = nr == SYS_preadv2 || nr == SYS_pwritev2;
  if (f->r10 < (second ? -1 : 0)) return pass_on;
  const bool out = nr == SYS_pwritev || nr == SYS_pwritev2;
  // At the position and without flags it is readv or writev, of pipes and sockets too.
  if (second && f->r10 == -1 && f->r9 == 0 && !on_disk(caller::door, number(f->rdi)))
    return cooperate(f, [=](hub& h) {
      const auto* parts = pointer<const iovec>(f->rsi);
      const auto count = static_cast<unsigned long>(f->rdx);
      return out ? writev(h, caller::door, number(f->rdi), parts, count) : readv(h, caller::door, number(f->rdi), parts, count);
    });
  return transfer_at(f, out, pointer<const iovec>(f->rsi), static_cast<unsigned long>(f->rdx), f->r10, second ? number(f->r9) : 0);
}

// Ends by itself, and its first word is a descriptor: not worth a thread for what is in memory.
door_answer on_brief(door_frame* f, long nr) noexcept {
  hub* h = company();
  if (h == nullptr || !on_disk(caller::door, number(f->rdi))) return pass_on;
  const offload_call call = whole(f, nr);
  return cooperate_on(*h, f->vectors != 0, [&call](hub& on) { return offload(on, call, never, "file", offload_kind::brief); });
}

// Waits until the kernel's readers have gone by.
door_answer on_io_destroy(door_frame* f, long nr) noexcept {
  const offload_call call = whole(f, nr);
  return cooperate(f, [&call](hub& h) { return offload(h, call, never, "io_destroy", offload_kind::brief); });
}

// Directories too, which read without a wait and are synced with one.
door_answer on_sync(door_frame* f, long nr) noexcept {
  const offload_call call = whole(f, nr);
  return cooperate(f, [&call](hub& h) { return offload(h, call, never, "sync", offload_kind::brief); });
}

door_answer on_msync(door_frame* f, long nr) noexcept {
  constexpr long ms_sync = 4;
  return (f->rdx & ms_sync) == 0 ? pass_on : on_sync(f, nr);
}

// One end may be a pipe or a socket that fills up, and no flag asks the kernel not to wait for it.
door_answer on_move(door_frame* f, long nr) noexcept {
  const offload_call call = whole(f, nr);
  return cooperate(f, [&call](hub& h) { return offload(h, call, never, "splice", offload_kind::waits); });
}

door_answer on_tee(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) { return tee(h, number(f->rdi), number(f->rsi), size(f->rdx), static_cast<unsigned>(f->r10)); });
}
door_answer on_vmsplice(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return vmsplice(h, number(f->rdi), pointer<const void>(f->rsi), size(f->rdx), static_cast<unsigned>(f->r10));
  });
}

door_answer on_flock(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) { return flock(h, number(f->rdi), number(f->rsi)); });
}
door_answer on_msgsnd(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) { return msgsnd(h, number(f->rdi), pointer<const void>(f->rsi), size(f->rdx), number(f->r10)); });
}
door_answer on_msgrcv(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return msgrcv(h, number(f->rdi), pointer<void>(f->rsi), size(f->rdx), f->r10, number(f->r8));
  });
}
door_answer on_semop(door_frame* f, long nr) noexcept {
  const auto* limit = nr == SYS_semtimedop ? pointer<const timespec>(f->r10) : nullptr;
  return cooperate(f, [=](hub& h) { return semtimedop(h, number(f->rdi), pointer<void>(f->rsi), size(f->rdx), limit); });
}
door_answer on_mq_send(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return mq_send(h, number(f->rdi), pointer<const char>(f->rsi), size(f->rdx), static_cast<unsigned>(f->r10),
                   pointer<const timespec>(f->r8));
  });
}
door_answer on_mq_receive(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return mq_receive(h, number(f->rdi), pointer<char>(f->rsi), size(f->rdx), pointer<unsigned>(f->r10),
                      pointer<const timespec>(f->r8));
  });
}
door_answer on_getevents(door_frame* f, long nr) noexcept {
  if (nr == SYS_io_pgetevents && f->r9 != 0) return pass_on;  // with a signal mask
  return cooperate(f, [f](hub& h) {
    return io_getevents(h, static_cast<unsigned long>(f->rdi), f->rsi, f->rdx, pointer<void>(f->r10), pointer<const timespec>(f->r8));
  });
}
door_answer on_ring_enter(door_frame* f, long) noexcept {
  return cooperate(f, [f](hub& h) {
    return io_uring_enter(h, number(f->rdi), static_cast<unsigned>(f->rsi), static_cast<unsigned>(f->rdx),
                          static_cast<unsigned>(f->r10), pointer<const void>(f->r8), size(f->r9));
  });
}

// The credentials of offload threads are those of their making. libc has every thread of its own make the call.
door_answer on_credentials(door_frame* f, long nr) noexcept {
  const long got = sys::call6(nr, f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9);
  if (got >= 0) credentials_changed();
  return {got, 0};
}

constexpr const char* bookkeeping = "bookkeeping";

constexpr door_entry rows[] = {
    {SYS_pread64, "read", "pread64", {on_pread}},
    {SYS_preadv, "read", "preadv", {on_preadv}},
    {SYS_preadv2, "read", "preadv2", {on_preadv}},
    {SYS_pwrite64, "write", "pwrite64", {on_pwrite}},
    {SYS_pwritev, "write", "pwritev", {on_preadv}},
    {SYS_pwritev2, "write", "pwritev2", {on_preadv}},
    {SYS_fsync, "file", "fsync", {on_sync}},
    {SYS_fdatasync, "file", "fdatasync", {on_sync}},
    {SYS_ftruncate, "file", "ftruncate", {on_brief}},
    {SYS_fallocate, "file", "fallocate", {on_brief}},
    {SYS_sync_file_range, "file", "sync_file_range", {on_brief}},
    {SYS_fadvise64, "file", "fadvise64", {on_brief}},
    {SYS_readahead, "file", "readahead", {on_brief}},
    {SYS_copy_file_range, "file", "copy_file_range", {on_brief}},
    {SYS_sync, "file", "sync", {on_sync}},
    {SYS_syncfs, "file", "syncfs", {on_sync}},
    {SYS_msync, "file", "msync", {on_msync}},
    {SYS_sendfile, "file", "sendfile", {on_move}},
    {SYS_splice, "file", "splice", {on_move}},
    {SYS_tee, "file", "tee", {on_tee}},
    {SYS_vmsplice, "file", "vmsplice", {on_vmsplice}},
    {SYS_flock, "lock", "flock", {on_flock}},
    {SYS_msgsnd, "ipc", "msgsnd", {on_msgsnd}},
    {SYS_msgrcv, "ipc", "msgrcv", {on_msgrcv}},
    {SYS_semop, "ipc", "semop", {on_semop}},
    {SYS_semtimedop, "ipc", "semtimedop", {on_semop}},
    {SYS_mq_timedsend, "ipc", "mq_timedsend", {on_mq_send}},
    {SYS_mq_timedreceive, "ipc", "mq_timedreceive", {on_mq_receive}},
    {SYS_io_getevents, "file", "io_getevents", {on_getevents}},
    {SYS_io_uring_enter, "file", "io_uring_enter", {on_ring_enter}},
    {SYS_io_destroy, "file", "io_destroy", {on_io_destroy}},
    {SYS_io_pgetevents, "file", "io_pgetevents", {on_getevents}},
    {SYS_setuid, bookkeeping, "setuid", {on_credentials}},
    {SYS_setgid, bookkeeping, "setgid", {on_credentials}},
    {SYS_setreuid, bookkeeping, "setreuid", {on_credentials}},
    {SYS_setregid, bookkeeping, "setregid", {on_credentials}},
    {SYS_setresuid, bookkeeping, "setresuid", {on_credentials}},
    {SYS_setresgid, bookkeeping, "setresgid", {on_credentials}},
    {SYS_setfsuid, bookkeeping, "setfsuid", {on_credentials}},
    {SYS_setfsgid, bookkeeping, "setfsgid", {on_credentials}},
    {SYS_setgroups, bookkeeping, "setgroups", {on_credentials}},
    {SYS_capset, bookkeeping, "capset", {on_credentials}},
};

}  // namespace

door_rows file_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

}  // namespace weft::io
