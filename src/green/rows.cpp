#include "green/rows.hpp"

#include "green/stats.hpp"
#include "patch/dispatch.hpp"

namespace weft::green {
namespace {

door_call beneath[patch::handler_count];

void put(const green_rows& rows) noexcept {
  for (const green_entry& row : rows) {
    const auto mine = reinterpret_cast<patch::handler>(reinterpret_cast<void (*)()>(row.handle));
    if (patch::handlers[row.nr] == mine || counts_before(row.nr, mine)) continue;
    beneath[row.nr] = reinterpret_cast<door_call>(reinterpret_cast<void (*)()>(patch::handlers[row.nr]));
    patch::set_handler(row.nr, mine);
  }
}

}  // namespace

door_answer below(door_frame* frame, long nr) noexcept {
  const door_call handle = beneath[nr];
  return handle != nullptr ? handle(frame, nr) : to_kernel;
}

void put_rows() noexcept {
  put(thread_rows());
  put(identity_rows());
  put(credential_rows());
  put(process_rows());
  put(shared_memory_rows());
  put(stack_rows());
  put(scheduling_rows());
  put(affinity_rows());
  put(owner_rows());
  put(name_rows());
  put(robust_rows());
  put(proc_rows());
  put(list_rows());
  put(own_credential_rows());
  put(clock_rows());
  put(tid_rows());
  put(signal_rows());
  put(signal_wait_rows());
  put(timer_rows());
  count_calls_again();
}

}  // namespace weft::green
