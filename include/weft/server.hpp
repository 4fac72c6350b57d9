// A server that runs a handler for each connection in a fiber or task of its own, after gevent's StreamServer.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/endpoint.hpp"
#include "weft/fiber.hpp"
#include "weft/listener.hpp"
#include "weft/stream.hpp"

namespace weft {

struct server_options {
  // Connections handled at once; more wait in the kernel's backlog, not accepted.
  std::size_t max_connections = std::numeric_limits<std::size_t>::max();
  // How long to wait after descriptors or memory have run out before accepting again.
  std::chrono::nanoseconds retry_delay = std::chrono::milliseconds(100);
};

namespace detail {

struct server_state;  // src/net/server.cpp

// A connection's place among those that are handled now: goes with its handler, also with one that never began.
class WEFT_API server_place {
public:
  server_place(std::shared_ptr<server_state> server, std::list<any_fiber>::iterator position) noexcept;
  server_place(server_place&& other) noexcept;
  server_place& operator=(server_place&&) = delete;
  ~server_place();
  // Tells what the handler threw. In a fiber.
  void report(const std::exception_ptr& failure, const endpoint& peer) const;

private:
  std::shared_ptr<server_state> server_;
  std::list<any_fiber>::iterator position_;
};

// Starts what handles a connection.
using server_start = std::function<any_fiber(server_place, stream, const endpoint&)>;

// Handlers that are coroutines: weft/task/server.hpp.
template <class F>
struct task_handler;

}  // namespace detail

// Belongs to the hub that made it. Not movable; the destructor stops it with no grace (in a coroutine, which cannot wait there, it does not
// wait for the handlers that it cancels: co_await async::stop(server) before).
class WEFT_API stream_server {
public:
  // Gets the connection and its peer; the connection closes when the handler is done with it.
  using handler = std::function<void(stream connection, const endpoint& peer)>;
  // Told of what a handler threw, and of failures to accept (then `peer` is empty). Runs in a fiber; must not throw.
  using error_handler = std::function<void(std::exception_ptr failure, const endpoint& peer)>;

  stream_server(listener at, handler handle, const server_options& options = {});
  // A handler that is a coroutine: a task for each connection.
  //   weft::stream_server server(std::move(at), [](weft::stream s, weft::endpoint peer) -> weft::task<> { ... });
  template <class F>
    requires detail::returns_task<F&, stream, const endpoint&>
  stream_server(listener at, F handle, const server_options& options = {})
      : stream_server(std::move(at), detail::server_start(detail::task_handler<F>(std::move(handle))), options) {}
  // One that does not ask for the peer.
  template <class F>
    requires(std::invocable<F&, stream> && !std::invocable<F&, stream, const endpoint&>)
  stream_server(listener at, F handle, const server_options& options = {})
      : stream_server(
            std::move(at), [handle = std::move(handle)](stream s, const endpoint&) mutable { return handle(std::move(s)); }, options) {}
  stream_server(const stream_server&) = delete;
  stream_server& operator=(const stream_server&) = delete;
  ~stream_server();

  // Replaces what happens to failures (default: a line on standard error). The server goes on in any case.
  void on_error(error_handler report);
  // A coroutine runs as a part of that fiber.
  template <class F>
    requires detail::returns_task<F&, std::exception_ptr, const endpoint&>
  void on_error(F report) {
    on_error(error_handler([report = std::move(report)](std::exception_ptr failure, const endpoint& peer) mutable {
      detail::run_here(report, std::move(failure), peer);
    }));
  }

  // Starts accepting and returns. A stopped server cannot be started again.
  void start();
  // start() and wait until the server is stopped, by another fiber or by its own handler. When the wait is cancelled the server is
  // stopped with no grace. Throws cancelled.
  void serve_forever();
  // Closes the listener, waits at most `grace` for handlers to come to their end, then cancels them and waits for that. A handler
  // that calls it is not waited for. Parks; cancelled meanwhile, it cuts the grace short.
  void stop(std::chrono::nanoseconds grace = std::chrono::seconds(1)) { weft_stop(grace, this_fiber::current()); }

  endpoint local_endpoint() const;
  // Handlers that run now.
  std::size_t connections() const noexcept;
  // Accepted since the start.
  std::size_t accepted() const noexcept;

  // stop() on behalf of `caller`.
  void weft_stop(std::chrono::nanoseconds grace, const any_fiber& caller);

private:
  stream_server(listener at, detail::server_start start, const server_options& options);

  std::shared_ptr<detail::server_state> state_;
};

}  // namespace weft
