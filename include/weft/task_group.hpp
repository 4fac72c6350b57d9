// Task groups: fibers that are joined together, whatever happens (trio's nursery, asyncio.TaskGroup).
//
// The first child that fails cancels its siblings; all are waited for, then its failure is thrown. No child outlives the group.
// Belongs to the hub that made it, and usually to one block of one fiber, the host.
#pragma once

#include <cstddef>
#include <exception>
#include <list>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/detail/run_here.hpp"
#include "weft/detail/sync.hpp"
#include "weft/fiber.hpp"
#include "weft/task_status.hpp"

namespace weft {

class WEFT_API task_group {
public:
  // Throws std::system_error when the thread's hub cannot be made.
  task_group() : home_(&detail::current_hub()) {}
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;
  // A group that was not joined is cancelled and joined here: parks, and cancellation of the host waits. Failures that join() would
  // have thrown are reported as unobserved.
  ~task_group();

  // Starts `fn(args...)` in a fiber of the group. In a group that was cancelled, or has failed, the child is cancelled before it
  // begins. Never parks. Throws wrong_hub, out_of_stacks, and what copying throws.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(F&& fn, Args&&... args) {
    return spawn(spawn_options{}, std::forward<F>(fn), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
  auto spawn(spawn_options options, F&& fn, Args&&... args) {
    detail::on_home(home_, "task_group");
    // Room first, then the fiber: one that runs must not be missing from the group.
    std::list<child> room(1);
    auto f = weft::spawn(options, std::forward<F>(fn), std::forward<Args>(args)...);
    adopt(room, f);
    return f;
  }
  // A task: group.spawn(fetch(name)). What it refers to must live until it is over.
  template <detail::begun_as_it_is A>
  auto spawn(A&& what) {
    return spawn(spawn_options{}, std::forward<A>(what));
  }

  // Starts fn(status, args...), and waits until it says status.started(value): that value (trio's nursery.start). So a server is listening,
  // and its port known, when this returns. Until then what the child throws is thrown here, and is not the group's; one that ends without
  // having said it is not_started, one that was cancelled fiber_cancelled. When the caller is cancelled the child is, too, and waited
  // for; a failure of its then goes before. Parks. Throws also wrong_hub, deadlock, out_of_stacks, what copying throws.
  //   int port = group.start<int>([](weft::task_status<int> status) { ...; status.started(port); ... });
  template <class T = void, class F, class... Args>
    requires std::invocable<std::decay_t<F>, task_status<T>, std::decay_t<Args>...>
  T start(F&& fn, Args&&... args) {
    const auto s = std::make_shared<detail::starting_with<T>>();
    const any_fiber child = begin(s, std::forward<F>(fn), std::forward<Args>(args)...);
    wait_started(*s, child);
    return s->take();
  }

  // Waits for all children, those that they add included. Then throws the first failure, if there was one; a child that was
  // cancelled has not failed. When the host is cancelled (or a timeout of its cuts in), so are the children, and when they are over
  // that goes on, unless there is a failure to throw (asyncio's rule). Parks.
  void join();

  // Runs body() in the host and then joins (trio's `async with`). A child's failure also cancels the body; what the body throws is
  // a failure like a child's. After cancel() the body ends early, and run returns.
  template <class F>
  void run(F&& body) {
    detail::on_home(home_, "task_group");
    std::exception_ptr failure;
    cancel_scope scope;
    if (cancelled_) scope.cancel();
    cancel_scope* const outer = std::exchange(body_, &scope);
    try {
      scope.run([&] {
        if constexpr (std::is_invocable_v<F, task_group&>) {
          detail::refuse_coroutine<std::invoke_result_t<F, task_group&>>();
          static_cast<void>(std::forward<F>(body)(*this));
        } else {
          detail::refuse_coroutine<std::invoke_result_t<F>>();
          static_cast<void>(std::forward<F>(body)());
        }
      });
    } catch (...) {
      failure = std::current_exception();
    }
    body_ = outer;
    finish(std::move(failure));
  }

  // Cancels the body of run() and all children, those that are added later included. Does not wait or park. Throws wrong_hub.
  void cancel();
  bool cancel_called() const noexcept { return cancelled_; }

  // Children that are not over.
  std::size_t size() const noexcept { return running_.size(); }

  // The failures besides the first one, which join() or run() throws, in the order in which they happened.
  std::vector<std::exception_ptr> errors() const;

private:
  friend struct detail::task_access;

  struct child : detail::wait_node {
    task_group* group = nullptr;
    any_fiber fiber;
    std::shared_ptr<detail::starting> start;  // of one whose failure may be start()'s
    std::exception_ptr failure;  // of the body, which has no fiber of its own
    std::list<child>::iterator self;
  };

  // Begins a child for start().
  template <class T, class F, class... Args>
  any_fiber begin(const std::shared_ptr<detail::starting_with<T>>& s, F&& fn, Args&&... args) {
    detail::check_cancelled(detail::on_home(home_, "task_group"));
    std::list<child> room(1);
    room.front().start = s;
    auto f = weft::spawn(std::forward<F>(fn), task_status<T>(s), std::forward<Args>(args)...);
    adopt(room, f);
    return f;
  }
  void wait_started(detail::starting& s, const any_fiber& child);
  // After the wait for a child that has not said started(), and is over. `cut_off`: what ended start()'s wait, if something did.
  [[noreturn]] static void throw_not_started(const any_fiber& child, const std::exception_ptr& cut_off);
  void adopt(std::list<child>& room, const any_fiber& f);
  void ended(child& c) noexcept;
  void cancel_all() noexcept;
  // Parks until no child is left; throws what ends the wait early.
  void wait(bool uncancellable);
  // Joins after the body, which threw `failure` if not null.
  void finish(std::exception_ptr failure);
  void throw_first();

  detail::hub* home_;
  std::list<child> running_;
  std::list<child> failed_;  // in order of failure
  detail::waiting_list idle_;  // who waits for running_ to be empty
  cancel_scope* body_ = nullptr;
  bool cancelled_ = false;
  bool thrown_ = false;
};

}  // namespace weft
