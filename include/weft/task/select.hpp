// co_await of select: the cases of weft/select.hpp, whose functions may be coroutines here.
//
//   co_await async::select(weft::on_receive(numbers, [&](std::optional<int> n) -> weft::task<> { co_await reply(n); }),
//                          weft::on_timeout(1s, [&] { late = true; }));
#pragma once

#include <cstddef>
#include <utility>

#include "weft/select.hpp"
#include "weft/task.hpp"

namespace weft {

namespace detail {

template <class Selection>
class select_operation : public basic_operation<channel_wait> {
public:
  explicit select_operation(Selection& s) : basic_operation("select", nullptr, 0), of_(s) {}

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    enter(h);
    places = of_.places.data();
    count = of_.count;
    for (std::size_t i = 0; i < count; ++i) places[i].call = this;
    of_.stand(*fiber->home);
    return suspend_on(*this, of_.deadline(*fiber->home));
  }
  std::size_t await_resume() { return of_.chosen(woken() ? served : nullptr); }

private:
  Selection& of_;
};

// The function of a case, when it gives something to be awaited.
template <class Case>
task<> run_case(Case& c, bool closed) {
  co_await c.finish(c.then, closed);
}

}  // namespace detail

namespace async {

// Does one of the cases and gives its index; awaits what its function returns, if that can be awaited. Throws as weft::select does.
template <class... Cases>
  requires(sizeof...(Cases) > 0)
task<std::size_t> select(Cases... cases) {
  detail::hub& h = detail::current_hub();
  detail::check_cancelled(h);
  detail::selection<Cases...> all(std::move(cases)...);
  std::size_t which = all.now(h);
  if (which == all.none) which = co_await detail::call<detail::select_operation<detail::selection<Cases...>>>(all);
  task<> rest;
  all.conclude(which, [&]<class Case>(Case& c, bool closed) {
    if constexpr (detail::awaitable<detail::case_result<Case>>)
      rest = detail::run_case(c, closed);
    else
      static_cast<void>(c.finish(c.then, closed));
  });
  if (rest) co_await std::move(rest);
  co_return which;
}

}  // namespace async
}  // namespace weft
