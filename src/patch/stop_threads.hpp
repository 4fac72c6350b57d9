// Stops every other thread of the process while text is rewritten under it, by a signal each.
//
// The signal is the one glibc keeps for set*id calls (33): programs cannot block it by pthread_sigmask, use it or be
// debugged on it. Between `stop` and `resume` the stopper must call neither malloc nor anything that takes a lock: a
// stopped thread may hold it. Raw system calls only.
#pragma once

#include <cstdint>

#include "patch/stop_handler.hpp"

namespace weft::patch {

enum class stop_outcome : std::uint8_t {
  stopped,        // all other threads wait in the handler, or there are none
  no_answer,      // a thread blocks all signals, or sits in an uninterruptible call
  cannot_signal,  // the kernel refused to queue a signal (RLIMIT_SIGPENDING)
  no_proc,        // /proc/self/task cannot be read, so nobody knows how many threads there are
};

class thread_stop {
public:
  thread_stop() noexcept = default;
  thread_stop(const thread_stop&) = delete;
  ~thread_stop();  // resumes

  // `moved` and `restarts` (both ascending) are read when threads go on; they must outlive this object.
  stop_outcome stop(std::uint64_t patience_ns, const moved_address* moved, std::size_t moved_count,
                    const restart_point* restarts, std::size_t restart_count) noexcept;

  // Lets the threads go on. With `moved_too` their instruction pointers leave the windows first.
  void resume(bool moved_too) noexcept;

  std::uint32_t count() const noexcept { return stopped_; }
  long silent_thread() const noexcept { return silent_; }  // the tid that did not answer

private:
  bool ask_new_threads(int directory, std::uint32_t& asked_now, stop_outcome& failure) noexcept;
  bool all_arrived(bool look_for_exits) noexcept;

  std::uint32_t* listed_ = nullptr;  // the slots in use, so that nobody walks the whole table
  unsigned char kernel_action_[32] = {};  // what handled the signal before
  std::uint32_t stopped_ = 0;
  long silent_ = 0;
  bool active_ = false;
  bool installed_ = false;
};

}  // namespace weft::patch
