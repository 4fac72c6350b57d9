// The other calls that take a thread's id. What the kernel keeps for all green threads together (limits, capabilities, memory, the
// process group) it is asked for the carrier; what only a process has, a thread's id is no name of.
#include <cerrno>
#include <fcntl.h>
#include <linux/capability.h>
#include <initializer_list>
#include <sched.h>
#include <sys/wait.h>

#include "green/caller.hpp"
#include "green/own_credentials.hpp"
#include "green/rows.hpp"
#include "io/user_memory.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

// A call whose `words` name threads by arguments 0 and, if `second`, 1: made for the carrier where they are green ones.
door_answer for_carrier(door_frame* f, long nr, long door_frame::*first, long door_frame::*second = nullptr) noexcept {
  if (home == nullptr) return below(f, nr);
  door_frame mapped = *f;
  bool changed = false;
  for (long door_frame::*word : {first, second}) {
    if (word == nullptr || !is_green_id(static_cast<int>(f->*word))) continue;
    if (find(static_cast<std::uint32_t>(f->*word)) == nullptr) return answer(-ESRCH);
    mapped.*word = leader().tid;
    changed = true;
  }
  if (!changed) return below(f, nr);
  const door_answer a = below(&mapped, nr);
  return a.pass == 0 ? a : answer(sys::raw(nr, mapped.rdi, mapped.rsi, mapped.rdx, mapped.r10, mapped.r8, mapped.r9));
}

door_answer on_first(door_frame* f, long nr) noexcept { return for_carrier(f, nr, &door_frame::rdi); }
door_answer on_second(door_frame* f, long nr) noexcept { return for_carrier(f, nr, &door_frame::rsi); }
door_answer on_both(door_frame* f, long nr) noexcept { return for_carrier(f, nr, &door_frame::rdi, &door_frame::rsi); }

// Calls for processes: the id of a thread that leads none is refused with `error`, as that of one that is no more is with ESRCH.
door_answer refuse(door_frame* f, long nr, long error) noexcept {
  if (home == nullptr || !is_green_id(static_cast<int>(f->rdi))) return below(f, nr);
  return answer(find(static_cast<std::uint32_t>(f->rdi)) == nullptr ? -ESRCH : error);
}
door_answer on_process(door_frame* f, long nr) noexcept { return refuse(f, nr, -EINVAL); }

// With __WNOTHREAD only a thread's own children count. To the kernel the carrier made them all, so every thread may wait for each of them;
// without the flag the wait parks.
door_answer wait_of_anyones(door_frame* f, long nr, long door_frame::*options) noexcept {
  if ((f->*options & __WNOTHREAD) == 0 || caller() == nullptr || alive <= 1) return below(f, nr);
  door_frame mapped = *f;
  mapped.*options &= ~static_cast<long>(__WNOTHREAD);
  return below(&mapped, nr);
}

// A child may be waited for by any thread, but only by its own id.
door_answer on_wait(door_frame* f, long nr) noexcept {
  if (home != nullptr && is_green_id(static_cast<int>(f->rdi))) return answer(-ECHILD);
  return wait_of_anyones(f, nr, &door_frame::rdx);
}
door_answer on_waitid(door_frame* f, long nr) noexcept { return wait_of_anyones(f, nr, &door_frame::r10); }

// The id stands in memory.
door_answer on_capabilities(door_frame* f, long nr) noexcept {
  __user_cap_header_struct header;
  static_assert(sizeof header == 8);
  thread* me = home == nullptr ? nullptr : caller();
  if (me == nullptr || !io::copy_in(&header, reinterpret_cast<const void*>(f->rdi), sizeof header) || !is_green_id(header.pid))
    return me != nullptr && nr == SYS_capset ? change_credentials(*me, below, f, nr) : below(f, nr);
  const thread* t = find(static_cast<std::uint32_t>(header.pid));
  if (t == nullptr) return answer(-ESRCH);
  if (nr == SYS_capset && t != me) return answer(-EPERM);
  header.pid = 0;
  door_frame mapped = *f;
  mapped.rdi = reinterpret_cast<long>(&header);
  const door_answer a = nr == SYS_capset ? change_credentials(*me, below, &mapped, nr) : below(&mapped, nr);
  const long got = a.pass == 0 ? a.result : sys::raw(nr, &header, f->rsi);
  // A version that the kernel does not know is overwritten with the one it prefers.
  header.pid = static_cast<int>(t->tid);
  if (got == -EINVAL) io::copy_out(reinterpret_cast<void*>(f->rdi), &header, sizeof header);
  return answer(got);
}

// A namespace, a working directory or a table of descriptors for one thread of several cannot be: they would be the carrier's, and so
// everybody's. What the kernel refuses to a process with several threads is refused as there, the rest with EPERM.
door_answer on_unshare(door_frame* f, long nr) noexcept {
  if (caller() == nullptr || alive <= 1) return below(f, nr);
  constexpr long single = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWUSER;
  if ((f->rdi & single) != 0) return answer(-EINVAL);
  return (f->rdi & (CLONE_FS | CLONE_FILES | CLONE_NEWNS)) != 0 ? answer(-EPERM) : below(f, nr);
}
door_answer on_setns(door_frame* f, long nr) noexcept {
  if (caller() == nullptr || alive <= 1) return below(f, nr);
  return (f->rsi & (CLONE_NEWUSER | CLONE_NEWNS)) != 0 ? answer(-EINVAL) : below(f, nr);
}

constexpr green_entry rows[] = {
    {SYS_prlimit64, on_first},          {SYS_move_pages, on_first},        {SYS_migrate_pages, on_first},  {SYS_process_vm_readv, on_first},
    {SYS_process_vm_writev, on_first},  {SYS_getpgid, on_first},           {SYS_getsid, on_first},         {SYS_perf_event_open, on_second},
    {SYS_ptrace, on_second},            {SYS_kcmp, on_both},               {SYS_setpgid, on_process},      {SYS_pidfd_open, on_process},
    {SYS_wait4, on_wait},               {SYS_waitid, on_waitid},
    {SYS_capget, on_capabilities},     {SYS_capset, on_capabilities},  {SYS_unshare, on_unshare},
    {SYS_setns, on_setns},
};

}  // namespace

green_rows tid_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
