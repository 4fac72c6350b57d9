// stream_server: one fiber accepts, each connection has another. A handler's place (its permit and list entry) goes with its fiber,
// also with one that was cancelled before it began, so the limit can never leak. Nothing a handler throws may reach the acceptor.
#include "weft/server.hpp"

#include <cerrno>
#include <list>
#include <utility>
#include <vector>

#include "core/hub_state.hpp"
#include "net/accept.hpp"
#include "sys/report.hpp"
#include "weft/cancel.hpp"
#include "weft/event.hpp"
#include "weft/fiber.hpp"
#include "weft/semaphore.hpp"

namespace weft {

namespace {

// A full backlog never makes accept park: the handlers get their turn every so many connections.
constexpr std::size_t accepts_in_a_row = 64;

enum class failure {
  of_connection,  // the connection died before it was taken (accept(2) passes its error on): the next may do
  of_resources,   // no descriptors or memory: better later
  of_listener,    // it will never accept again
};

failure kind_of(int error) {
  switch (error) {
  case ECONNABORTED: case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN: case ENONET: case EHOSTUNREACH:
  case ENETUNREACH: case EPERM: case ETIMEDOUT:
    return failure::of_connection;
  case EMFILE: case ENFILE: case ENOBUFS: case ENOMEM:
    return failure::of_resources;
  default:
    return failure::of_listener;
  }
}

// Handlers that are functions: a fiber each.
struct fiber_handler {
  std::shared_ptr<stream_server::handler> handle;

  any_fiber operator()(detail::server_place place, stream connection, const endpoint& peer) const {
    return spawn({.name = "connection"}, run, handle, std::move(place), std::move(connection), peer);
  }
  static void run(const std::shared_ptr<stream_server::handler>& handle, const detail::server_place& place, stream connection,
                  const endpoint& peer) {
    try {
      (*handle)(std::move(connection), peer);
    } catch (const std::exception&) {
      place.report(std::current_exception(), peer);
    }
  }
};

}  // namespace

struct detail::server_state : std::enable_shared_from_this<server_state> {
  server_state(listener l, server_start s, const server_options& o)
      : at(std::move(l)), start(std::move(s)), options(o), slots(o.max_connections) {}

  void report(const std::exception_ptr& failure, const endpoint& peer) {
    if (told) {
      told(failure, peer);
      return;
    }
    const std::string what = core::describe(failure);
    sys::report() << "stream_server: " << (peer ? "handler for " + peer.to_string() : std::string("accept")).c_str() << ": "
                  << what.c_str() << "\n";
  }

  void start_handler(stream connection, const endpoint& peer) {
    running.emplace_front();
    const auto position = running.begin();
    server_place mine(shared_from_this(), position);
    *position = start(std::move(mine), std::move(connection), peer);
  }

  // Takes one connection; false when there will be none any more.
  bool accept_one() {
    stream connection;
    endpoint peer;
    slots.acquire();
    int error;
    try {
      error = net::accept_one(at.fd(), connection, peer);
    } catch (...) {
      slots.release();
      throw;
    }
    if (error != 0) {
      slots.release();
      return go_on_after(error);
    }
    ++accepted;
    try {
      start_handler(std::move(connection), peer);
    } catch (const std::exception&) {  // out_of_stacks, bad_alloc
      report(std::current_exception(), peer);
      this_fiber::sleep_for(options.retry_delay);
    }
    if (accepted % accepts_in_a_row == 0) this_fiber::yield();
    return true;
  }

  // False when the listener is of no use any more.
  bool go_on_after(int error) {
    const failure kind = kind_of(error);
    if (kind == failure::of_connection) return true;
    if (!stopping) report(std::make_exception_ptr(net::accept_failure(at.fd(), error)), {});
    if (kind == failure::of_listener) return false;
    this_fiber::sleep_for(options.retry_delay);
    return true;
  }

  void accept_all() {
    while (accept_one()) {
    }
    if (!stopping) stopped.set();
  }

  std::vector<any_fiber> others(const any_fiber& me) const {
    std::vector<any_fiber> out;
    for (const any_fiber& f : running)
      if (f && !(f == me)) out.push_back(f);
    return out;
  }

  // stop() where nothing can be waited for.
  void abandon() {
    stopping = true;
    if (acceptor) acceptor.cancel();
    at.close();
    for (const any_fiber& f : running)
      if (f) f.cancel();
    stopped.set();
  }

  listener at;
  server_start start;
  server_options options;
  stream_server::error_handler told;
  semaphore slots;
  std::list<any_fiber> running;
  std::size_t accepted = 0;
  any_fiber acceptor;
  bool stopping = false;
  event stopped;
};

detail::server_place::server_place(std::shared_ptr<server_state> server, std::list<any_fiber>::iterator position) noexcept
    : server_(std::move(server)), position_(position) {}
detail::server_place::server_place(server_place&& other) noexcept = default;
detail::server_place::~server_place() {
  if (server_ == nullptr) return;
  const any_fiber keep = std::move(*position_);
  server_->running.erase(position_);
  server_->slots.release();
}
void detail::server_place::report(const std::exception_ptr& failure, const endpoint& peer) const { server_->report(failure, peer); }

stream_server::stream_server(listener at, detail::server_start start, const server_options& options)
    : state_(std::make_shared<detail::server_state>(std::move(at), std::move(start), options)) {}

stream_server::stream_server(listener at, handler handle, const server_options& options)
    : stream_server(std::move(at), detail::server_start(fiber_handler{std::make_shared<handler>(std::move(handle))}), options) {}

stream_server::~stream_server() {
  try {
    if (state_->stopping && state_->stopped.is_set()) return;
    try {
      shield([&] { stop(std::chrono::nanoseconds(0)); });
    } catch (const would_block_hub&) {
      state_->abandon();
    }
  } catch (...) {
    sys::report() << "stream_server: could not be stopped by its destructor\n";
  }
}

void stream_server::on_error(error_handler report) { state_->told = std::move(report); }

void stream_server::start() {
  if (state_->acceptor || state_->stopping) return;
  state_->acceptor = spawn({.name = "stream_server"}, [s = state_] { s->accept_all(); });
}

void stream_server::serve_forever() {
  start();
  try {
    state_->stopped.wait();
  } catch (...) {
    shield([&] { stop(std::chrono::nanoseconds(0)); });
    throw;
  }
}

void stream_server::weft_stop(std::chrono::nanoseconds grace, const any_fiber& caller) {
  const std::shared_ptr<detail::server_state> s = state_;
  if (s->stopping) {
    if (!s->stopped.is_set()) s->stopped.wait();
    return;
  }
  s->stopping = true;
  const auto end_handlers = [&] {
    const std::vector<any_fiber> left = s->others(caller);
    shield([&] { killall(left); });
    s->stopped.set();
  };
  try {
    if (s->acceptor && s->acceptor == caller)
      s->acceptor.cancel();
    else if (s->acceptor)
      s->acceptor.kill();
    s->at.close();
    joinall(s->others(caller), {.timeout = grace});
  } catch (...) {
    end_handlers();
    throw;
  }
  end_handlers();
}

endpoint stream_server::local_endpoint() const { return state_->at.local_endpoint(); }
std::size_t stream_server::connections() const noexcept { return state_->running.size(); }
std::size_t stream_server::accepted() const noexcept { return state_->accepted; }

}  // namespace weft
