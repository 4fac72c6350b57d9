// Fibers that work under faults: what they may be told in passing, and starting those again that got no stack.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "weft/weft.hpp"

namespace weft_test {

// What a call may answer under faults and is then tried again.
inline bool passing(int error) {
  return error == EINTR || error == EAGAIN || error == ENOMEM || error == ENOBUFS || error == ENOSPC || error == EMFILE ||
         error == ENFILE || error == ECONNABORTED;
}

template <class Call>
long insist(Call call) {
  for (;;) {
    const long result = call();
    if (result >= 0 || !passing(errno)) return result;
    weft::this_fiber::yield();
  }
}

// Fibers that end together, as a task group's do, but one that got no stack (spawn, or its first turn, throws out_of_stacks) is
// started again.
class crew {
public:
  void spawn(std::function<void()> fn) {
    members_.push_back({std::move(fn), std::make_shared<bool>(false), {}});
    start(members_.back());
  }
  void cancel() {
    for (auto& m : members_) m.fiber.cancel();
    cancelled_ = true;
  }
  // Starts those again that got no stack. True when all are over.
  bool revive() {
    std::size_t over = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!members_[i].fiber.done()) continue;
      const std::exception_ptr e = members_[i].fiber.exception();
      if (e != nullptr && !*members_[i].begun && !cancelled_)
        start(members_[i]);
      else
        ++over, failure_ = failure_ != nullptr ? failure_ : e;
    }
    return over == members_.size();
  }
  // Throws the first failure, when all are over. Members may add others.
  void join() {
    while (!revive()) {
      weft::this_fiber::sleep_for(pause_);
      pause_ = std::min<std::chrono::microseconds>(pause_ * 2, std::chrono::milliseconds(5));
    }
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

private:
  struct member {
    std::function<void()> fn;
    std::shared_ptr<bool> begun;
    weft::fiber<void> fiber;
  };
  static void start(member& m) {
    for (;;) try {
        m.fiber = weft::spawn([fn = m.fn, begun = m.begun] {
          *begun = true;
          fn();
        });
        return;
      } catch (const weft::out_of_stacks&) {
        weft::this_fiber::yield();
      }
  }

  std::deque<member> members_;
  bool cancelled_ = false;
  std::exception_ptr failure_;
  std::chrono::microseconds pause_{50};
};

}  // namespace weft_test
