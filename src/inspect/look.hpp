// One look at a process: stop its hubs, copy, let them go, and then make sense of the copy.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "inspect/expression.hpp"
#include "inspect/fibers.hpp"
#include "inspect/layout.hpp"
#include "inspect/memory.hpp"
#include "inspect/process.hpp"
#include "inspect/trampolines.hpp"

namespace weft::inspect {

// An OS thread of the process: the one of a hub, or another.
struct os_thread {
  pid_t id = 0;                   // as seen from here
  std::uint32_t inner_id = 0;     // as the process calls it
  std::string name;
  kernel_call call;
  std::vector<int> waits_on;      // descriptors of that call
  registers at;                   // known only in part when it was not stopped
  bool of_a_hub = false;
};

class look {
public:
  // Copies `stack_bytes` at most of each stack. Throws failure.
  look(const process& p, memory& m, const layout& l, std::size_t stack_bytes);

  std::vector<hub> hubs;
  std::vector<fiber> fibers;
  std::vector<os_thread> threads;      // those of hubs first, in their order
  std::uint64_t now = 0;               // CLOCK_MONOTONIC, in nanoseconds
  std::chrono::nanoseconds stood{};    // for how long the process was stopped
  std::uint64_t worked = 0;            // CPU time of that, in nanoseconds: the rest is other processes' on a busy machine
  std::size_t copied = 0;              // bytes of it meanwhile

  // As the hub of a fiber has it.
  std::uint64_t now_of(const fiber& f) const { return hubs[f.hub].virtual_now != 0 ? hubs[f.hub].virtual_now : now; }
  bool is_running(const fiber& f) const { return hubs[f.hub].current == f.at; }
  // Of a fiber, where it is suspended or runs; nothing when that is not known.
  std::optional<registers> registers_of(const fiber& f, memory& m, const offsets& at) const;
  // How long a parked fiber has waited, and how old a fiber is; 0: not known.
  std::uint64_t waited(const fiber& f) const { return since(f, f.wait.since); }
  std::uint64_t age(const fiber& f) const { return since(f, f.created); }

private:
  std::uint64_t since(const fiber& f, std::uint64_t then) const { return then != 0 && now_of(f) > then ? now_of(f) - then : 0; }
  void read_fibers(reader& r, std::size_t stack_bytes);
  const os_thread* thread_of(const hub& h) const;
};

std::uint64_t monotonic_now();

}  // namespace weft::inspect
