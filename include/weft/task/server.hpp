// Servers of tasks: handlers that are coroutines, and the awaited forms of stream_server's waits.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "weft/server.hpp"
#include "weft/task.hpp"
#include "weft/task/in_fiber.hpp"

namespace weft {

namespace detail {

template <class F>
struct task_handler {
  explicit task_handler(F fn) : handle(std::make_shared<F>(std::move(fn))) {}

  any_fiber operator()(server_place place, stream connection, const endpoint& peer) const {
    return spawn({.name = "connection"}, run, handle, std::move(place), std::move(connection), peer);
  }

  std::shared_ptr<F> handle;  // its captures must live as long as the tasks

private:
  static task<> run(std::shared_ptr<F> handle, server_place place, stream connection, endpoint peer) {
    std::exception_ptr failure;
    try {
      co_await std::invoke(*handle, std::move(connection), std::as_const(peer));
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    if (failure != nullptr) co_await in_fiber([&] { place.report(failure, peer); });
  }
};

}  // namespace detail

namespace async {

// start(), and waits until the server is stopped. A cancelled wait stops it with no grace.
inline auto serve_forever(stream_server& s) {
  return in_fiber([&s] { s.serve_forever(); });
}
// stream_server::stop. A handler that awaits it is not waited for.
inline auto stop(stream_server& s, std::chrono::nanoseconds grace = std::chrono::seconds(1)) {
  return in_fiber([&s, grace, caller = this_fiber::current()] { s.weft_stop(grace, caller); });
}

}  // namespace async
}  // namespace weft
