// The audit's handler, which stands before all others, and the counts that it keeps.
#include "patch/audit.hpp"

#include "io/door.hpp"
#include "sys/syscall.hpp"
#include "sys/usage.hpp"

namespace weft::patch {

constinit audit_record audit_records[most_audit_records]{};

namespace {

handler audited[handler_count];

constexpr verdict pass_on{0, 1};

// They return twice, never, or wait for the child to let go of this memory; the kernel's own instruction must make them.
bool is_the_kernels(long nr) noexcept {
  return nr == SYS_clone || nr == SYS_clone3 || nr == SYS_fork || nr == SYS_vfork || nr == SYS_execve || nr == SYS_execveat ||
         nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn;
}

audit_record* record_of(detail::hub& h) noexcept {
  auto* r = static_cast<audit_record*>(h.audit);
  const long thread = sys::raw(SYS_gettid);
  if (r != nullptr && r->thread == thread) return r;
  // A new hub, or the child of a fork, whose counts begin anew.
  for (audit_record& candidate : audit_records) {
    std::uint32_t free = 0;
    if (!candidate.taken.compare_exchange(free, 1)) continue;
    const sys::thread_usage now = sys::usage_of_thread();
    candidate.thread = thread;
    candidate.last_switches = now.voluntary_switches;
    candidate.last_faults = now.major_faults;
    candidate.last_polls = h.stats.poll_switches;
    candidate.last_blocked = h.stats.blocked_polls;
    h.audit = &candidate;
    return &candidate;
  }
  return nullptr;
}

void blame(audit_record& r, std::uint64_t switches, audit_place place, long nr, const void* site) noexcept {
  r.elsewhere += switches;
  for (int i = 0; i < r.findings; ++i) {
    audit_finding& known = r.found[i];
    if (known.nr != nr || known.site != site || known.place != place) continue;
    known.switches += switches;
    return;
  }
  if (r.findings < audit_record::most_findings) r.found[r.findings++] = {nr, site, switches, place};
}

// Compares the counts with those of the last look.
void look(detail::hub& h, audit_record& r, audit_place place, long nr, const void* site) noexcept {
  const sys::thread_usage now = sys::usage_of_thread();
  const std::uint64_t switches = now.voluntary_switches - r.last_switches, polls = h.stats.poll_switches - r.last_polls;
  // A page of a mapped file that had to come from the disk: no system call, nothing that a library could do about it.
  const bool faulted = now.major_faults != r.last_faults;
  r.switches += switches;
  r.in_polls += polls;
  r.blocked_polls += h.stats.blocked_polls - r.last_blocked;
  r.last_switches = now.voluntary_switches;
  r.last_polls = h.stats.poll_switches;
  r.last_blocked = h.stats.blocked_polls;
  r.last_faults = now.major_faults;
  if (switches > polls) {
    if (r.pardon || faulted)
      r.allowed += switches - polls;
    else if (place == audit_place::outside && r.entered)
      blame(r, switches - polls, audit_place::inside, r.entered_nr, r.entered_at);  // its fiber is parked by now
    else
      blame(r, switches - polls, place, nr, site);
  }
  r.pardon = false;
  r.entered = false;
}

// Somebody else could have run: then a wait is a fault. `in_weft` counts too: what passes through there must not wait either.
bool has_company(const detail::hub& h) noexcept {
  return io::company() != nullptr || (h.block->in_weft != 0 && h.block->current->state == detail::fiber_state::running && h.live > 1);
}

verdict audit(call_frame* f, long nr) {
  const handler own = audited[nr];
  const auto unaudited = [&] { return own != nullptr ? own(f, nr) : pass_on; };
  detail::hub* h = detail::try_hub();
  if (h == nullptr || io::interrupted_hub() == nullptr) return unaudited();
  audit_record* r = record_of(*h);
  if (r == nullptr) return unaudited();
  const bool company = has_company(*h);
  if (company) look(*h, *r, audit_place::outside, nr, f->site);
  if (!company || is_the_kernels(nr)) {
    r->pardon = true;
    return unaudited();
  }
  if (own != nullptr) {
    r->entered = true;
    r->entered_nr = nr;
    r->entered_at = f->site;
    const verdict v = own(f, nr);
    look(*h, *r, audit_place::inside, nr, f->site);
    if (v.pass == 0) return v;
  }
  const long result = sys::raw(nr, f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9);
  look(*h, *r, audit_place::passed, nr, f->site);
  return {result, 0};
}

}  // namespace

void audit_call(long nr) noexcept {
  if (handlers[nr] == audit) return;
  audited[nr] = handlers[nr];
  set_handler(nr, audit);
}

}  // namespace weft::patch
