#include "inspect/look.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <poll.h>
#include <sys/syscall.h>

#include "inspect/stop.hpp"

namespace weft::inspect {
namespace {

registers of_stopped(const user_regs_struct& u) {
  registers r;
  const std::uint64_t in_order[registers::count] = {u.rax, u.rdx, u.rcx, u.rbx, u.rsi, u.rdi, u.rbp, u.rsp, u.r8,
                                                    u.r9,  u.r10, u.r11, u.r12, u.r13, u.r14, u.r15, u.rip};
  for (unsigned i = 0; i < registers::count; ++i) r.set(i, in_order[i]);
  return r;
}

registers of_sleeping(const kernel_call& c) {
  registers r;
  if (c.what != kernel_call::kind::blocked) return r;
  r.set(registers::rsp, c.stack_pointer);
  r.set(registers::pc, c.program_counter);
  return r;
}

// Descriptors that a call of the kernel waits for, where that can be told from its arguments.
std::vector<int> descriptors_of(const kernel_call& c, memory& m) {
  constexpr std::uint64_t most = 1024;
  if (c.what != kernel_call::kind::blocked) return {};
  switch (c.number) {
    case SYS_read: case SYS_readv: case SYS_pread64: case SYS_preadv: case SYS_preadv2:
    case SYS_write: case SYS_writev: case SYS_pwrite64: case SYS_pwritev: case SYS_pwritev2:
    case SYS_recvfrom: case SYS_recvmsg: case SYS_recvmmsg: case SYS_sendto: case SYS_sendmsg: case SYS_sendmmsg:
    case SYS_accept: case SYS_accept4: case SYS_connect: case SYS_flock: case SYS_fsync: case SYS_fdatasync:
      return {static_cast<int>(c.arguments[0])};
    case SYS_poll: case SYS_ppoll: {
      std::vector<int> out;
      for (std::uint64_t i = 0; i < c.arguments[1] && i < most; ++i)
        if (const auto one = m.get<pollfd>(c.arguments[0] + i * sizeof(pollfd)); one && one->fd >= 0) out.push_back(one->fd);
      return out;
    }
    default: return {};
  }
}

std::uint64_t clock_now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace

std::uint64_t monotonic_now() { return clock_now(CLOCK_MONOTONIC); }

look::look(const process& p, memory& m, const layout& l, std::size_t stack_bytes) {
  reader r(p, m, l);
  // All of it once while the process runs. It tells whose threads to stop, and what to copy then, into memory that is there already: the
  // stop is as short as the copying alone. What has changed until then is read anew.
  m.forget();
  std::vector<pid_t> wanted;
  hubs = r.hubs();
  for (const hub& h : hubs)
    if (const pid_t t = p.thread_called(h.thread); t != 0) wanted.push_back(t);
  read_fibers(r, stack_bytes);
  r.describe(fibers);
  r.find_targets(hubs, fibers);
  const auto is_own_text = [&](address pc) {
    const mapping* at = p.mapping_of(pc);
    return at != nullptr && at->path == l.library();
  };
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t worked_before = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  stopped hold(p, wanted, is_own_text);
  m.refresh();
  hubs = r.hubs();
  read_fibers(r, stack_bytes);
  for (const pid_t t : wanted)
    if (const auto regs = hold.registers(t)) {
      os_thread one;
      one.id = t;
      one.at = of_stopped(*regs);
      const address top = one.at.value[registers::rsp];
      if (stack_bytes != 0) m.fetch({{top, top + stack_bytes}});
      threads.push_back(std::move(one));
    }
  copied = m.bytes();
  hold.let_go();
  stood = std::chrono::steady_clock::now() - began;
  worked = clock_now(CLOCK_PROCESS_CPUTIME_ID) - worked_before;
  now = monotonic_now();
  // From the copy.
  r.describe(fibers);
  r.find_targets(hubs, fibers);
  for (hub& h : hubs) h.os_thread = p.thread_called(h.thread);
  for (const pid_t t : p.threads())
    if (std::none_of(threads.begin(), threads.end(), [&](const os_thread& o) { return o.id == t; })) threads.emplace_back().id = t;
  for (os_thread& t : threads) {
    t.inner_id = static_cast<std::uint32_t>(p.inner_id(t.id));
    t.of_a_hub = std::any_of(hubs.begin(), hubs.end(), [&](const hub& h) { return h.os_thread == t.id; });
    t.name = p.thread_name(t.id);
    t.call = hold.call_before(t.id);
    if (t.call.what == kernel_call::kind::unknown) t.call = p.call_of(t.id);
    t.waits_on = descriptors_of(t.call, m);
    if (!t.at.has(registers::pc)) t.at = of_sleeping(t.call);
  }
  if (fibers.empty() && !p.alive()) p.refuse(ESRCH);  // it went while it was looked at
  std::stable_partition(threads.begin(), threads.end(), [](const os_thread& t) { return t.of_a_hub; });
}

void look::read_fibers(reader& r, std::size_t stack_bytes) {
  fibers.clear();
  for (std::size_t i = 0; i < hubs.size(); ++i) {
    auto more = r.fibers(hubs[i], i);
    std::move(more.begin(), more.end(), std::back_inserter(fibers));
  }
  r.add_greenlets(fibers);
  r.fetch_stacks(fibers, stack_bytes);
}

const os_thread* look::thread_of(const hub& h) const {
  const auto at = std::find_if(threads.begin(), threads.end(), [&](const os_thread& t) { return t.id == h.os_thread; });
  return at != threads.end() ? &*at : nullptr;
}

std::optional<registers> look::registers_of(const fiber& f, memory& m, const offsets& at) const {
  if (is_running(f)) {
    const os_thread* t = thread_of(hubs[f.hub]);
    if (t == nullptr || !t->at.has(registers::pc)) return std::nullopt;
    return t->at;
  }
  if (f.context == 0 || f.kind == fiber_kind::task) return std::nullopt;
  registers r;
  r.set(registers::pc, m.get_or<address>(f.context + at.resume_at));
  r.set(registers::rbp, m.get_or<address>(f.context + at.frame_pointer));
  r.set(registers::rsp, f.context + at.suspended_size);
  return r;
}

}  // namespace weft::inspect
