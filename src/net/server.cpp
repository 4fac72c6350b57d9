// stream_server: one fiber accepts, each connection has another. A handler's place (its permit and list entry) goes with its fiber,
// also with one that was cancelled before it began, so the limit can never leak. Nothing a handler throws may reach the acceptor.
#include "weft/server.hpp"

#include <cerrno>
#include <list>
#include <system_error>
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

}  // namespace

struct stream_server::state : std::enable_shared_from_this<state> {
  state(listener l, handler h, const server_options& o)
      : at(std::move(l)), handle(std::move(h)), options(o), slots(o.max_connections) {}

  // One connection's place among those handled now. Goes with the handler's fiber, even with one that never began.
  struct place {
    std::shared_ptr<state> server;
    std::list<any_fiber>::iterator position;
    place(std::shared_ptr<state> s, std::list<any_fiber>::iterator p) : server(std::move(s)), position(p) {}
    place(place&&) noexcept = default;
    ~place() {
      if (server == nullptr) return;
      const any_fiber keep = std::move(*position);
      server->running.erase(position);
      server->slots.release();
    }
  };

  void report(const std::exception_ptr& failure, const endpoint& peer) {
    if (told) {
      told(failure, peer);
      return;
    }
    const std::string what = core::describe(failure);
    sys::report() << "stream_server: " << (peer ? "handler for " + peer.to_string() : std::string("accept")).c_str() << ": "
                  << what.c_str() << "\n";
  }

  void run_handler(stream connection, const endpoint& peer) {
    try {
      handle(std::move(connection), peer);
    } catch (const std::exception&) {
      report(std::current_exception(), peer);
    }
  }

  void start_handler(stream connection, const endpoint& peer) {
    running.emplace_front();
    place mine(shared_from_this(), running.begin());
    const auto position = mine.position;
    *position = spawn({.name = "connection"},
                      [](place p, stream c, const endpoint& from) { p.server->run_handler(std::move(c), from); },
                      std::move(mine), std::move(connection), peer);
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

  std::vector<any_fiber> others() const {
    std::vector<any_fiber> out;
    const any_fiber me = this_fiber::current();
    for (const any_fiber& f : running)
      if (f && !(f == me)) out.push_back(f);
    return out;
  }

  listener at;
  handler handle;
  server_options options;
  error_handler told;
  semaphore slots;
  std::list<any_fiber> running;
  std::size_t accepted = 0;
  any_fiber acceptor;
  bool stopping = false;
  event stopped;
};

stream_server::stream_server(listener at, handler handle, const server_options& options)
    : state_(std::make_shared<state>(std::move(at), std::move(handle), options)) {}

stream_server::~stream_server() {
  try {
    shield([&] { stop(std::chrono::nanoseconds(0)); });
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

void stream_server::stop(std::chrono::nanoseconds grace) {
  const std::shared_ptr<state> s = state_;
  if (s->stopping) {
    if (!s->stopped.is_set()) s->stopped.wait();
    return;
  }
  s->stopping = true;
  const auto end_handlers = [&] {
    const std::vector<any_fiber> left = s->others();
    shield([&] { killall(left); });
    s->stopped.set();
  };
  try {
    if (s->acceptor && s->acceptor == this_fiber::current())
      s->acceptor.cancel();
    else if (s->acceptor)
      s->acceptor.kill();
    s->at.close();
    joinall(s->others(), {.timeout = grace});
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
