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
  // "recv on 7 (tcp 127.0.0.1:80 <-> 127.0.0.1:4711)", "lock 0x5581 held by 16777217 (worker)"; empty unless it is parked.
  std::string waits_for(const fiber& f);
  // "16777217 (worker)" for a thread id; only the id when nothing more is known.
  std::string thread(std::uint32_t tid) const;
  // "0x5581 (worker)" for the fiber at that address.
  std::string fiber_at(address where) const;
  // "lock 0x5581 held by 16777217 (worker)"; empty unless the holder of what it waits for is known.
  std::string lock_of(const fiber& f) const;
  const fiber* by_tid(std::uint32_t tid) const;
  const fiber* by_address(address at) const;
  const fiber* current_of(const hub& h) const { return by_address(h.current); }
  // Where the kernel has the thread of a hub, when its fiber made a call that blocks all others; empty: it computes, or polls.
  std::string blocked_in(const hub& h) const;
  // "computes", "sleeps in read".
  static std::string doing(const os_thread& t);
  descriptors& files() { return files_; }

private:
  const process& process_;
  const look& seen_;
  descriptors files_;
  std::unordered_map<std::uint32_t, const fiber*> tids_;
  std::unordered_map<address, const fiber*> addresses_;
};

// Fibers of which each waits for a lock, or the end, of the next, and the last one for the first.
using circle = std::vector<const fiber*>;
std::vector<circle> deadlocks(const look& seen, const words& w);

// "a waits for the lock 0x1 that b holds" for each of a circle.
std::string told(const circle& c, const words& w);

// The kernel's name of a system call.
std::string system_call_name(long number);

}  // namespace weft::inspect
