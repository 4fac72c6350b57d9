// What a fiber is called and what it waits for, in words; and who waits for whom in a circle.
#pragma once

#include <string>
#include <vector>

#include "inspect/descriptors.hpp"
#include "inspect/look.hpp"

namespace weft::inspect {

class words {
public:
  words(const process& p, const look& seen);

  // By which `weft bt` and people name it: the thread id of a green thread, else the address.
  std::string id(const fiber& f) const;
  std::string name(const fiber& f) const;
  static const char* kind(const fiber& f);
  static const char* plain_state(const fiber& f);
  // With what is remarkable about it: blocked in the kernel, cancelled.
  std::string state(const fiber& f) const;
  // "recv on 7 (tcp 127.0.0.1:80 <-> 127.0.0.1:4711)", "lock 0x5581 held by 16777217 (worker)"; empty unless it is parked, or blocked.
  std::string waits_for(const fiber& f);
  // What fibers with one reason, and with one lock if any, have in common of that.
  std::string waits_alike(const std::vector<const fiber*>& alike) const;
  // The lock and who holds it, or whose end: what of a wait does not depend on who waits. Empty when it is neither.
  std::string target_of(const fiber& f) const;
  // "16777217 (worker)" for a thread id; only the id when nothing more is known.
  std::string thread(std::uint32_t tid) const;
  // "0x5581 (worker)" for the fiber at that address.
  std::string fiber_at(address where) const;
  // Who holds the lock that it waits for: "16777217 (worker)", "a fiber of OS thread 4711"; empty when that is not known.
  std::string holder_of(const fiber& f) const;
  // A pthread lock knows the OS thread that took it, and no fiber. The hub of that OS thread; null for other holders.
  const hub* hub_that_holds(const fiber& f) const;
  const fiber* by_tid(std::uint32_t tid) const;
  const fiber* by_address(address at) const;
  // Where the kernel has the thread of a hub, when its fiber made a call that blocks all others; empty: it computes, or polls.
  std::string blocked_in(const hub& h) const;
  // "computes", "sleeps in read on 0 (pipe)".
  std::string doing(const os_thread& t);
  // Whether it is one of the program's, and may run: not Weft's own, and no stack on which nobody stands.
  static bool counts(const fiber& f);
  std::vector<const fiber*> fibers_of(const hub& h) const;
  descriptors& files() { return files_; }

private:
  const os_thread* blocked_thread(const hub& h) const;
  // " on 7 (pipe), 8"; empty for none.
  std::string on_descriptors(const std::vector<int>& fds);
  std::string lock_of(const fiber& f) const;

  const process& process_;
  const look& seen_;
  descriptors files_;
  std::unordered_map<std::uint32_t, const fiber*> tids_;
  std::unordered_map<address, const fiber*> addresses_;
  std::unordered_map<const hub*, std::size_t> company_;  // how many fibers each has
};

// Fibers of which none will ever go on, since each waits for others of them alone: for a lock, or the end, of the next in a circle; or all
// fibers of an OS thread, when one of them, whichever it is, holds what others wait for.
using deadlock = std::vector<const fiber*>;
std::vector<deadlock> deadlocks(const look& seen, const words& w);

// "a waits for the lock 0x1 that b holds" for each of them.
std::string told(const deadlock& d, const words& w);

// The kernel's name of a system call.
std::string system_call_name(long number);

}  // namespace weft::inspect
