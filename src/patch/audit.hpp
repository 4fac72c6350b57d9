// WEFT_AUDIT: does a hub's OS thread ever wait anywhere but in its poller?
//
// The kernel counts the waits of a thread (voluntary context switches), the hub those that fell into its polls. In an audited process
// every system call number has the handler below, which compares the two counts before and after what it does: a wait in between
// that was not the poller's held up all fibers of the hub, and this call is to blame. Both doors lead here, since both ask the table
// of handlers.
//
// Run-time path (audit.cpp): no libc, no malloc, general registers only. audit_report.cpp is ordinary code.
#pragma once

#include <cstdint>

#include "core/hub.hpp"
#include "patch/dispatch.hpp"

namespace weft::patch {

// Where a wait was seen that was not the poller's.
enum class audit_place : std::uint8_t {
  passed,   // the call was left to the kernel, which waited
  inside,   // Weft had taken the call on, and made it wait
  outside,  // between two calls: an instruction that no door sees, a page, the program's locks
};

struct audit_finding {
  long nr;  // for `outside`: of the call before which it was noticed
  const void* site;
  std::uint64_t switches;
  audit_place place;
};

// What was seen of one hub's OS thread. Lives for ever: the report is made when the thread may be gone. All zero at first: the array of
// these lies in memory that no process touches which is not audited.
struct audit_record {
  long thread = 0;
  std::uint64_t switches = 0;       // voluntary, since the first audited call
  std::uint64_t in_polls = 0;       // of these, inside the poller's waits
  std::uint64_t blocked_polls = 0;  // how often it was allowed to wait there
  std::uint64_t allowed = 0;        // of these, where nobody else could have run, or nothing else was possible (audit.cpp says when)
  std::uint64_t elsewhere = 0;      // of these, all others: there should be none
  static constexpr int most_findings = 32;
  int findings = 0;
  audit_finding found[most_findings]{};

  // As of the last look.
  sys::atomic<std::uint32_t> taken;
  std::uint64_t last_switches = 0, last_polls = 0, last_blocked = 0, last_faults = 0;
  // The call that Weft was handed last, while nothing has been looked at since.
  bool entered = false;
  long entered_nr = 0;
  const void* entered_at = nullptr;
  bool pardon = false;  // what is seen at the next look is allowed
};

inline constexpr int most_audit_records = 256;
extern audit_record audit_records[most_audit_records];

// Takes the handler of `nr` behind the audit's own. To be called after set_handler, for every number.
void audit_call(long nr) noexcept;

// The report, to standard error or to the file that WEFT_AUDIT names, is made at exit. Where this was never called, the process then says
// that nothing was audited.
void report_audit_at_exit() noexcept;

}  // namespace weft::patch
