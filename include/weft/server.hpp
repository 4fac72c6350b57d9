// A server that runs a handler for each connection in a fiber of its own, after gevent's StreamServer.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <memory>

#include "weft/endpoint.hpp"
#include "weft/listener.hpp"
#include "weft/stream.hpp"

namespace weft {

struct server_options {
  // Connections handled at once; more wait in the kernel's backlog, not accepted.
  std::size_t max_connections = std::numeric_limits<std::size_t>::max();
  // How long to wait after descriptors or memory have run out before accepting again.
  std::chrono::nanoseconds retry_delay = std::chrono::milliseconds(100);
};

// Belongs to the hub that made it. Not movable; the destructor stops it with no grace.
class WEFT_API stream_server {
public:
  // Gets the connection and its peer; the connection closes when the handler is done with it.
  using handler = std::function<void(stream connection, const endpoint& peer)>;
  // Told of what a handler threw, and of failures to accept (then `peer` is empty). Runs in a fiber; must not throw.
  using error_handler = std::function<void(std::exception_ptr failure, const endpoint& peer)>;

  stream_server(listener at, handler handle, const server_options& options = {});
  stream_server(const stream_server&) = delete;
  stream_server& operator=(const stream_server&) = delete;
  ~stream_server();

  // Replaces what happens to failures (default: a line on standard error). The server goes on in any case.
  void on_error(error_handler report);

  // Starts accepting and returns. A stopped server cannot be started again.
  void start();
  // start() and wait until the server is stopped, by another fiber or by its own handler. When the wait is cancelled the server is
  // stopped with no grace. Throws cancelled.
  void serve_forever();
  // Closes the listener, waits at most `grace` for handlers to come to their end, then cancels them and waits for that. A handler
  // that calls it is not waited for. Parks; cancelled meanwhile, it cuts the grace short.
  void stop(std::chrono::nanoseconds grace = std::chrono::seconds(1));

  endpoint local_endpoint() const;
  // Handlers that run now.
  std::size_t connections() const noexcept;
  // Accepted since the start.
  std::size_t accepted() const noexcept;

private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace weft
