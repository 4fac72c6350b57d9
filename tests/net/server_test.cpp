// stream_server: a fiber for each connection, a limit, stopping, failures.
#include <doctest/doctest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/event.hpp"
#include "weft/fiber.hpp"
#include "weft/io.hpp"
#include "weft/server.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::endpoint;
using weft::listener;
using weft::stream;
using weft::stream_server;

namespace {

void echo(stream s, const endpoint&) {
  while (auto line = s.read_line()) s.write_all(*line + "\n");
}

}  // namespace

TEST_CASE("every connection has a handler of its own, all at the same time") {
  stream_server server(listener("127.0.0.1", 0), echo);
  server.start();
  std::vector<stream> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(stream::connect(server.local_endpoint()));
  for (int i = 49; i >= 0; --i) {
    auto& c = clients[static_cast<std::size_t>(i)];
    c.write_all(std::to_string(i) + "\n");
    CHECK(c.read_line() == std::to_string(i));
  }
  CHECK(server.connections() == 50);
  CHECK(server.accepted() == 50);
  clients.clear();
  server.stop();
  CHECK(server.connections() == 0);
}

TEST_CASE("handlers learn who connected") {
  std::vector<endpoint> peers;
  stream_server server(listener("127.0.0.1", 0), [&](stream, const endpoint& peer) { peers.push_back(peer); });
  server.start();
  stream c = stream::connect(server.local_endpoint());
  CHECK(c.read_some() == "");
  REQUIRE(peers.size() == 1);
  CHECK(peers[0] == c.local_endpoint());
}

TEST_CASE("no more than max_connections are handled at once, the rest wait") {
  std::size_t now = 0, most = 0;
  weft::event go;
  stream_server server(
    listener("127.0.0.1", 0),
    [&](stream s, const endpoint&) {
      most = std::max(most, ++now);
      go.wait();
      s.write_all("done");
      --now;
    },
    {.max_connections = 3});
  server.start();
  std::vector<weft::fiber<std::string>> clients;
  for (int i = 0; i < 10; ++i)
    clients.push_back(weft::spawn([&] { return stream::connect(server.local_endpoint()).read_all(); }));
  while (server.connections() < 3) weft::this_fiber::yield();
  weft::testing::wait_all_blocked();
  CHECK(server.connections() == 3);
  CHECK(server.accepted() == 3);
  go.set();
  for (auto& c : clients) CHECK(c.get() == "done");
  CHECK(most == 3);
}

TEST_CASE("stop lets handlers finish within the grace, and accepts no more") {
  weft::event go;
  stream_server server(listener("127.0.0.1", 0), [&](stream s, const endpoint&) {
    go.wait();
    s.write_all("finished");
  });
  server.start();
  const endpoint at = server.local_endpoint();
  stream c = stream::connect(at);
  while (server.connections() == 0) weft::this_fiber::yield();
  auto stopping = weft::spawn([&] { server.stop(1h); });
  weft::testing::wait_all_blocked();
  CHECK_THROWS_AS(stream::connect(at), std::system_error);
  CHECK_FALSE(stopping.done());
  go.set();
  CHECK(c.read_all() == "finished");
  stopping.get();
}

TEST_CASE("what is still running after the grace is cancelled") {
  bool cancelled = false;
  weft::event never;
  stream_server server(listener("127.0.0.1", 0), [&](stream, const endpoint&) {
    try {
      never.wait();
    } catch (const weft::cancelled&) {
      cancelled = true;
      throw;
    }
  });
  server.start();
  stream c = stream::connect(server.local_endpoint());
  while (server.connections() == 0) weft::this_fiber::yield();
  server.stop(1ms);
  CHECK(cancelled);
  CHECK(server.connections() == 0);
  CHECK(c.read_some() == "");
}

TEST_CASE("a handler may stop its own server") {
  stream_server* self = nullptr;
  stream_server server(listener("127.0.0.1", 0), [&](stream s, const endpoint&) {
    self->stop();
    s.write_all("stopped");
  });
  self = &server;
  auto client = weft::spawn([at = server.local_endpoint()] { return stream::connect(at).read_all(); });
  server.serve_forever();
  CHECK(client.get() == "stopped");
}

TEST_CASE("serve_forever that is cancelled stops the server") {
  stream_server server(listener("127.0.0.1", 0), echo);
  const endpoint at = server.local_endpoint();
  CHECK_FALSE(weft::move_on_after(1ms, [&] { server.serve_forever(); }));
  CHECK_THROWS_AS(stream::connect(at), std::system_error);
}

TEST_CASE("what a handler throws is told, and the server goes on") {
  std::vector<std::string> failures;
  stream_server server(listener("127.0.0.1", 0), [&](stream s, const endpoint&) {
    const auto line = s.read_line();
    if (line == "bad") throw std::runtime_error("bad request");
    s.write_all("good");
  });
  server.on_error([&](std::exception_ptr failure, const endpoint& peer) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      failures.push_back(std::string(e.what()) + " from " + peer.address());
    }
  });
  server.start();
  stream bad = stream::connect(server.local_endpoint());
  bad.write_all("bad\n");
  CHECK(bad.read_all() == "");
  stream good = stream::connect(server.local_endpoint());
  good.write_all("good\n");
  CHECK(good.read_all() == "good");
  CHECK(failures == std::vector<std::string>{"bad request from 127.0.0.1"});
}

TEST_CASE("running out of descriptors is told once a try, and accepting resumes when there are some") {
  std::size_t told = 0;
  std::exception_ptr last;
  stream_server server(listener("127.0.0.1", 0), echo, {.retry_delay = 1ms});
  server.on_error([&](std::exception_ptr failure, const endpoint& peer) {
    ++told;
    last = failure;
    CHECK_FALSE(peer);
  });
  server.start();
  // The client has its descriptor already; accept gets none, every number at or above the limit being out of reach.
  stream client(weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const endpoint at = server.local_endpoint();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  const int connected = weft::connect(client.fd(), at.data(), at.size());
  while (told < 3) weft::this_fiber::sleep_for(1ms);
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK(connected == 0);
  try {
    std::rethrow_exception(last);
  } catch (const std::system_error& e) {
    CHECK(e.code().value() == EMFILE);
    CHECK(std::string(e.what()).find("accept on " + at.to_string()) != std::string::npos);
  }
  CHECK(server.accepted() == 0);
  client.write_all("served at last\n");
  CHECK(client.read_line() == "served at last");
}

TEST_CASE("a server that is dropped cancels its handlers") {
  stream c;
  bool unwound = false;
  {
    stream_server server(listener("127.0.0.1", 0), [&](stream s, const endpoint&) {
      struct note {
        bool& told;
        ~note() { told = true; }
      } n{unwound};
      s.read_some();
    });
    server.start();
    c = stream::connect(server.local_endpoint());
    while (server.connections() == 0) weft::this_fiber::yield();
    weft::this_fiber::yield();
  }
  CHECK(unwound);
  CHECK(c.read_some() == "");
}
