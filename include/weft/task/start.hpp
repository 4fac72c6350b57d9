// co_await of a group's child that says when it is ready: the awaited form of task_group::start.
#pragma once

#include <concepts>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "weft/task.hpp"
#include "weft/task/access.hpp"
#include "weft/task/wait.hpp"
#include "weft/task_group.hpp"

namespace weft {

namespace detail {

class start_operation : public simple_line_operation<start_operation> {
public:
  explicit start_operation(starting& s) noexcept : simple_line_operation("task_group.start", never), start_(s) {}

  bool now() const noexcept { return false; }
  wait_list& line() noexcept { return start_.line; }
  void await_resume() { woken(); }

private:
  starting& start_;
};

}  // namespace detail

namespace async {

// Starts fn(status, args...), a coroutine or a function, in the group when it is awaited, and waits until it says status.started(value):
// that value. What the member of this name does and throws.
template <class T = void, class F, class... Args>
  requires std::invocable<F, task_status<T>, Args...>
task<T> start(task_group& g, F fn, Args... args) {
  const auto s = std::make_shared<detail::starting_with<T>>();
  const any_fiber child = detail::task_access::begin(g, s, std::move(fn), std::move(args)...);
  std::exception_ptr cut_off;
  try {
    co_await detail::call<detail::start_operation>(static_cast<detail::starting&>(*s));
  } catch (...) {
    cut_off = std::current_exception();
  }
  if (s->at != detail::starting::stage::told) {
    if (cut_off != nullptr) {
      s->at = detail::starting::stage::over;
      const detail::waitable_ref its_end = detail::waitable_ref::to(child);
      co_await detail::stop_all({&its_end, 1});
    }
    detail::task_access::throw_not_started(child, cut_off);
  }
  if constexpr (!std::is_void_v<T>) co_return s->take();
}

}  // namespace async
}  // namespace weft
