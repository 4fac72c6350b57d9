// Locks, System V messages and semaphores, POSIX message queues, kernel AIO: calls that last until somebody else acts.
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include "io/durations.hpp"
#include "io/file_ops.hpp"
#include "io/user_memory.hpp"
#include "poller/poller.hpp"

namespace weft::io {
namespace {

long wait_by_thread(hub& h, const offload_call& call, const char* reason, nanos deadline = never) noexcept {
  return offload(h, call, deadline, reason, offload_kind::waits);
}

}  // namespace

long flock(hub& h, int fd, int operation) noexcept {
  // A conversion gives the old lock up before it waits, so this try changes nothing that the wait would not.
  const long got = sys::raw(SYS_flock, fd, operation | LOCK_NB);
  if (got != -EWOULDBLOCK || (operation & LOCK_NB) != 0) return got;
  return wait_by_thread(h, call_of(SYS_flock, fd, operation), "flock");
}

long lock_region(hub& h, int fd, int command, void* region) noexcept {
  const long got = sys::raw(SYS_fcntl, fd, command == F_SETLKW ? F_SETLK : F_OFD_SETLK, region);
  if (got != -EAGAIN && got != -EACCES) return got;
  // The owner of such a lock is the table of descriptors, which Weft's threads share.
  return wait_by_thread(h, call_of(SYS_fcntl, fd, command, region), "fcntl.lock");
}

long msgsnd(hub& h, int queue, const void* message, std::size_t size, int flags) noexcept {
  const long got = sys::raw(SYS_msgsnd, queue, message, size, flags | IPC_NOWAIT);
  if (got != -EAGAIN || (flags & IPC_NOWAIT) != 0) return got;
  return never_again(wait_by_thread(h, call_of(SYS_msgsnd, queue, message, size, flags), "msgsnd"));
}

long msgrcv(hub& h, int queue, void* message, std::size_t size, long type, int flags) noexcept {
  const long got = sys::raw(SYS_msgrcv, queue, message, size, type, flags | IPC_NOWAIT);
  if (got != -ENOMSG || (flags & IPC_NOWAIT) != 0) return got;
  return never_again(wait_by_thread(h, call_of(SYS_msgrcv, queue, message, size, type, flags), "msgrcv"));
}

namespace {

// With IPC_NOWAIT: given a limit of zero the kernel sleeps for a moment all the same.
long try_semop(int set, const void* operations, std::size_t count) noexcept {
  sembuf own[64];
  if (count == 0 || count > sizeof own / sizeof *own || !copy_in(&own[0], operations, count * sizeof *own)) {
    const timespec none{};
    return sys::raw(SYS_semtimedop, set, operations, count, &none);
  }
  for (std::size_t i = 0; i < count; ++i) own[i].sem_flg |= IPC_NOWAIT;
  return sys::raw(SYS_semop, set, &own[0], count);
}

}  // namespace

long semtimedop(hub& h, int set, void* operations, std::size_t count, const timespec* limit) noexcept {
  nanos length;
  if (const long error = take_limit(limit, length); error != 0) return error;
  const long got = try_semop(set, operations, count);
  if (got != -EAGAIN || length == 0) return got;
  // Where an operation with IPC_NOWAIT was what failed, it does so again.
  const long waited = wait_by_thread(h, call_of(SYS_semop, set, operations, count), "semop", deadline_in(h, length));
  return waited == timed_out && limit != nullptr ? -EAGAIN : never_again(waited);
}

namespace {

// Message queues have readiness, but who waits for it is no receiver to the kernel: a message that finds one goes to it and is not
// announced (mq_notify(3)), and who waited longest is first. So the waiting is the kernel's. A limit in the past makes the call a try: it
// fails with ETIMEDOUT where it would wait, and with EAGAIN on a queue that is O_NONBLOCK.
long when_possible(hub& h, long nr, int queue, const void* message, std::size_t size, long priority, const timespec* limit,
                   const char* reason) noexcept {
  nanos length;
  timespec until{};
  if (const long error = take_limit(limit, length); error != 0) return error;
  if (limit != nullptr) until = sys::to_timespec(length);
  const timespec past{};
  const long got = sys::raw(nr, queue, message, size, priority, &past);
  if (got != -ETIMEDOUT) return got;
  return wait_by_thread(h, call_of(nr, queue, message, size, priority, limit == nullptr ? nullptr : &until), reason);
}

}  // namespace

long mq_send(hub& h, int queue, const char* message, std::size_t size, unsigned priority, const timespec* limit) noexcept {
  return when_possible(h, SYS_mq_timedsend, queue, message, size, static_cast<long>(priority), limit, "mq_send");
}

long mq_receive(hub& h, int queue, char* message, std::size_t size, unsigned* priority, const timespec* limit) noexcept {
  return when_possible(h, SYS_mq_timedreceive, queue, message, size, reinterpret_cast<long>(priority), limit, "mq_receive");
}

long io_getevents(hub& h, unsigned long context, long least, long most, void* events, const timespec* limit) noexcept {
  constexpr long event_bytes = 32;  // struct io_event
  nanos length;
  if (const long error = take_limit(limit, length); error != 0) return error;
  timespec none{};
  const long got = sys::raw(SYS_io_getevents, context, least, most, events, &none);
  if (got < 0 || got >= least || length == 0) return got;
  const long rest = wait_by_thread(
      h, call_of(SYS_io_getevents, context, least - got, most - got, static_cast<char*>(events) + got * event_bytes, 0L),
      "io_getevents", deadline_in(h, length));
  if (rest >= 0) return got + rest;
  return got > 0 || rest == timed_out ? got : never_again(rest);
}

}  // namespace weft::io
