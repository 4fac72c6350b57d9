// Functions in other processes, for work that keeps a processor busy: run_in_process forks for one call, process_pool keeps workers.
// After multiprocessing and concurrent.futures.ProcessPoolExecutor, in their fork flavour.
//
// Results come back as bytes (wire.hpp). A function that throws, exits or crashes over there is a process_error here.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/error.hpp"
#include "weft/fiber.hpp"
#include "weft/gather.hpp"
#include "weft/wire.hpp"

namespace weft {

// A function in another process failed: what it threw, or how the process ended.
class WEFT_API process_error : public error {
public:
  process_error(std::string type, const std::string& what) : error(what), type_(std::move(type)) {}
  ~process_error() override;
  // The type of the exception over there; empty when the process ended without an answer.
  const std::string& type() const noexcept { return type_; }

private:
  std::string type_;
};

namespace detail {

// Forks, runs `work` there, and returns what it appended. Throws process_error, std::system_error, cancelled.
WEFT_API std::string in_forked_worker(const std::function<void(std::string&)>& work);

// A call of a worker: its arguments come off `in`, its result goes to `out`.
using worker_call = void (*)(std::string_view in, std::string& out);

template <class R>
R from_wire(const std::string& bytes) {
  if constexpr (!std::is_void_v<R>) {
    std::string_view in = bytes;
    return wire<R>::get(in);
  }
}

template <class R, class F>
void to_wire(std::string& out, F&& call) {
  if constexpr (std::is_void_v<R>)
    call();
  else
    wire<R>::put(out, call());
}

template <class F, class... Args>
struct worker_call_of {
  using result = std::decay_t<std::invoke_result_t<F&, Args...>>;
  static void run(std::string_view in, std::string& out) {
    // A lambda or function pointer, as it lies in memory; the code it names is the same on both sides of a fork.
    union hold {
      hold() {}
      F fn;
    } h;
    std::memcpy(static_cast<void*>(&h.fn), in.data(), sizeof(F));
    in.remove_prefix(sizeof(F));
    auto args = wire<std::tuple<Args...>>::get(in);
    to_wire<result>(out, [&] { return std::apply(h.fn, std::move(args)); });
  }
};

}  // namespace detail

// Forks this process, runs fn(args...) in the copy, parks until it is over, and returns its result. The copy has all that this process
// had: nothing needs to be sent. It runs in a thread of its own there, beside no other fiber, may use Weft, and ends without destructors
// of globals and atexit; its changes to memory stay there; descriptors are shared, as after fork(2). A cancelled call kills it. Throws
// process_error, std::system_error (fork), cancelled, deadlock.
template <class F, class... Args>
  requires std::invocable<F, Args...>
auto run_in_process(F&& fn, Args&&... args) {
  using result = std::decay_t<std::invoke_result_t<F, Args...>>;
  detail::refuse_coroutine<result>();
  static_assert(!detail::only_refers<result>, WEFT_NO_VIEWS_OVER_THERE);
  if constexpr (!detail::only_refers<result>)
    return detail::from_wire<result>(detail::in_forked_worker([&](std::string& out) {
      detail::to_wire<result>(out, [&] { return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...); });
    }));
}

// Workers that are forked once and take one call after another. Belongs to the hub that made it.
class WEFT_API process_pool {
public:
  // Forks `workers` (0: one a processor) now: make it early, while the process is small and holds no connections. They keep descriptors
  // 0, 1, 2 only. Throws std::system_error.
  explicit process_pool(std::size_t workers = 0);
  process_pool(const process_pool&) = delete;
  process_pool& operator=(const process_pool&) = delete;
  // Kills the workers, and parks until they are gone.
  ~process_pool();

  // Runs fn(args...) in a worker, parks until it is over, and returns its result; waits for a worker first, in line. fn is a function
  // pointer, or a lambda without captures or with plain ones (pointers mean what they meant at the fork); the arguments travel by
  // wire.hpp. A worker that crashes is replaced, also one whose call is cancelled: it is killed. Throws process_error, cancelled,
  // wrong_hub.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>&, std::decay_t<Args>...>
  auto apply(F&& fn, Args&&... args) {
    using kept = std::decay_t<F>;
    using call = detail::worker_call_of<kept, std::decay_t<Args>...>;
    detail::refuse_coroutine<typename call::result>();
    static_assert(std::is_trivially_copyable_v<kept>, "a pool's function must be a function pointer, or a lambda whose captures are plain");
    const kept plain(std::forward<F>(fn));
    std::string bytes(reinterpret_cast<const char*>(&plain), sizeof plain);
    wire<std::tuple<std::decay_t<Args>...>>::put(bytes, {std::forward<Args>(args)...});
    return detail::from_wire<typename call::result>(run(&call::run, bytes));
  }
  // The same in a fiber that waits for it.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>&, std::decay_t<Args>...>
  auto spawn(F&& fn, Args&&... args) {
    return weft::spawn([this](auto f, auto... a) { return this->apply(f, std::move(a)...); }, std::forward<F>(fn),
                       std::forward<Args>(args)...);
  }
  // fn(item) for every item, in as many workers as there are; the results in the order of the items. A failure is thrown, and what runs
  // still is killed.
  template <class F, std::ranges::input_range R>
  auto map(F fn, R&& range) {
    using item = std::ranges::range_value_t<R>;
    using result = std::decay_t<std::invoke_result_t<F&, item>>;
    std::vector<std::function<result()>> calls;
    for (auto&& i : range)
      calls.push_back([this, fn, i = item(std::forward<decltype(i)>(i))]() mutable { return apply(fn, std::move(i)); });
    return gather(calls);
  }

  std::size_t size() const noexcept;

private:
  std::string run(detail::worker_call call, const std::string& bytes);

  struct state;
  std::unique_ptr<state> s_;
};

}  // namespace weft
