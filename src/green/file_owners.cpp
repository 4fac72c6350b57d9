// Files whose signals go to one thread: fcntl's F_SETOWN_EX with F_OWNER_TID naming a green one. The kernel sends them to the carrier by
// signal 33 (F_SETSIG), which nothing of the program's blocks or handles there, with the descriptor; here it is known whom that is for, and
// by which signal. SIGURG knows no F_SETSIG: it comes as one to the process.
#include "green/file_owners.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>

#include "core/hub.hpp"
#include "green/rows.hpp"
#include "green/signals.hpp"
#include "io/descriptors.hpp"
#include "io/user_memory.hpp"
#include "sys/free_list.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

constexpr int owner_thread = 0, owner_process = 1;  // F_OWNER_TID, F_OWNER_PID
constexpr int same_file = 0;                        // KCMP_FILE

struct kernel_owner {
  int type, id;
};
static_assert(sizeof(kernel_owner) == 8);

// One open file, by the descriptor at which its owner was set.
struct owner {
  owner* next;
  int fd;
  std::uint32_t tid;
  int number;  // what F_SETSIG set; 0: SIGIO, without anything that comes with it
};

owner* first = nullptr;
sys::free_list<owner, &owner::next> owners;

void forget(owner* gone) noexcept {
  for (owner** at = &first; *at != nullptr; at = &(*at)->next)
    if (*at == gone) {
      *at = gone->next;
      owners.give(gone);
      return;
    }
}

owner* known(int fd) noexcept {
  owner* o = first;
  while (o != nullptr && o->fd != fd) o = o->next;
  return o;
}

long call(int fd, int command, long argument = 0) noexcept { return sys::raw(SYS_fcntl, fd, command, argument); }
long owner_call(int fd, int command, kernel_owner& o) noexcept { return call(fd, command, reinterpret_cast<long>(&o)); }

// Whose file this is, if it is a green thread's: the descriptor may be another one's duplicate, or mean another file by now.
owner* owner_of(int fd) noexcept {
  kernel_owner there{};
  if (first == nullptr || call(fd, F_GETSIG) != tick_signal || owner_call(fd, F_GETOWN_EX, there) != 0) return nullptr;
  if (there.type != owner_thread || static_cast<std::uint32_t>(there.id) != home->thread) return nullptr;
  if (owner* o = known(fd)) return o;
  const long process = sys::raw(SYS_getpid);
  for (owner* o = first; o != nullptr; o = o->next)
    if (sys::raw(SYS_kcmp, process, process, same_file, fd, o->fd) == 0) return o;
  return nullptr;
}

// The file is about to be somebody else's.
void give_up(int fd) noexcept {
  owner* o = owner_of(fd);
  if (o == nullptr) return;
  call(fd, F_SETSIG, o->number);
  forget(o);
}

long set_thread(int fd, std::uint32_t tid) noexcept {
  owner* o = owner_of(fd);
  const long number = o != nullptr ? o->number : call(fd, F_GETSIG);
  if (number < 0) return number;
  if (o == nullptr && (o = known(fd)) == nullptr) {
    if ((o = owners.take()) == nullptr) return -ENOMEM;
    o->next = first;
    o->fd = fd;
    first = o;
  }
  o->tid = tid;
  o->number = static_cast<int>(number);
  kernel_owner carrier{owner_thread, static_cast<int>(home->thread)};
  if (const long error = call(fd, F_SETSIG, tick_signal); error != 0) return error;
  return owner_call(fd, F_SETOWN_EX, carrier);
}

door_answer set_owner_ex(door_frame* f, long nr) noexcept {
  const int fd = static_cast<int>(f->rdi);
  kernel_owner wanted;
  if (!io::copy_in(&wanted, reinterpret_cast<const void*>(f->rdx), sizeof wanted)) return answer(-EFAULT);
  const bool leads = wanted.type == owner_thread && static_cast<std::uint32_t>(wanted.id) == leader().tid;
  if (!leads && !is_green_id(wanted.id)) {
    give_up(fd);
    return below(f, nr);
  }
  const thread* t = find(static_cast<std::uint32_t>(wanted.id));
  if (call(fd, F_GETFD) < 0) return answer(-EBADF);
  if (t == nullptr || (wanted.type != owner_thread && wanted.type != owner_process)) return answer(t == nullptr ? -ESRCH : -EINVAL);
  if (wanted.type == owner_thread) return answer(set_thread(fd, t->tid));
  give_up(fd);
  wanted.id = static_cast<int>(sys::raw(SYS_getpid));
  return answer(owner_call(fd, F_SETOWN_EX, wanted));
}

// A process is also known by its threads' ids.
door_answer set_owner(door_frame* f, long nr) noexcept {
  const int fd = static_cast<int>(f->rdi);
  if (call(fd, F_GETFD) >= 0) give_up(fd);
  if (!is_green_id(static_cast<int>(f->rdx))) return below(f, nr);
  if (find(static_cast<std::uint32_t>(f->rdx)) == nullptr) return answer(-ESRCH);
  return answer(call(fd, F_SETOWN, sys::raw(SYS_getpid)));
}

door_answer get_owner_ex(const door_frame* f, const owner& o) noexcept {
  const kernel_owner there{owner_thread, static_cast<int>(find(o.tid) != nullptr ? o.tid : 0)};
  return answer(io::copy_out(reinterpret_cast<void*>(f->rdx), &there, sizeof there) ? 0 : -EFAULT);
}

door_answer set_number(const door_frame* f, owner& o) noexcept {
  if (f->rdx < 0 || f->rdx > io::most_signals) return answer(-EINVAL);
  o.number = static_cast<int>(f->rdx);
  return answer(0);
}

door_answer on_fcntl(door_frame* f, long nr) noexcept {
  const auto command = static_cast<int>(f->rsi);
  if (command < F_SETOWN || command > F_GETOWN_EX || signal_caller() == nullptr) return below(f, nr);
  if (io::is_ours(static_cast<int>(f->rdi))) return below(f, nr);
  if (command == F_SETOWN_EX) return set_owner_ex(f, nr);
  if (command == F_SETOWN) return set_owner(f, nr);
  owner* o = owner_of(static_cast<int>(f->rdi));
  if (o == nullptr) return below(f, nr);
  switch (command) {
    case F_GETOWN_EX: return get_owner_ex(f, *o);
    case F_GETOWN: return answer(find(o->tid) != nullptr ? o->tid : 0);
    case F_SETSIG: return set_number(f, *o);
    case F_GETSIG: return answer(o->number);
    default: return below(f, nr);
  }
}

// Signals that tell by their codes where they come from (sig_specific_sicodes, include/linux/signal.h).
bool has_codes_of_its_own(int number) noexcept {
  switch (number) {
    case SIGILL: case SIGTRAP: case SIGFPE: case SIGSEGV: case SIGBUS: case SIGCHLD: case SIGSYS: return true;
    default: return false;
  }
}

constexpr green_entry rows[] = {
    {SYS_fcntl, on_fcntl},
};

}  // namespace

void file_signal_came(siginfo_t& info) noexcept {
  const owner* o = known(info.si_fd);
  if (o == nullptr) return;
  thread* t = find(o->tid);
  if (t == nullptr) return;
  info.si_signo = o->number;
  if (o->number == 0) {
    sys::fill(&info, 0, sizeof info);
    info.si_signo = SIGIO;
    info.si_code = SI_KERNEL;
  } else if (has_codes_of_its_own(o->number)) {
    info.si_code = SI_SIGIO;
  }
  send_to(*t, info.si_signo, info);
}

void forget_file_owners() noexcept {
  while (first != nullptr) forget(first);
}

green_rows owner_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
