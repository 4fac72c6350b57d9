// Servers whose handlers are tasks: the same limit, errors and graceful stop as those of fibers.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include <weft/weft.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

namespace {

task<std::string> ask(weft::stream& s, std::string line) {
  co_await async::write_all(s, line + "\n");
  const auto answer = co_await async::read_line(s);
  co_return answer.value_or("end");
}

}  // namespace

TEST_CASE("a server whose failures are told to a coroutine, which may wait") {
  for (const bool tasks : {false, true}) {
    weft::async_result<std::string> told;
    auto at = weft::listener("127.0.0.1", 0);
    const auto fails = [](weft::stream s) {
      s.read_line();
      throw std::runtime_error("as asked");
    };
    const auto fails_as_task = [](weft::stream s) -> task<> {
      co_await async::read_line(s);
      throw std::runtime_error("as asked");
    };
    auto server = tasks ? std::make_unique<weft::stream_server>(std::move(at), fails_as_task)
                        : std::make_unique<weft::stream_server>(std::move(at), fails);
    server->on_error([&](std::exception_ptr failure, const weft::endpoint& peer) -> task<> {
      const bool there = static_cast<bool>(peer);
      co_await async::sleep_for(1us);
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& e) {
        told.set_value(there ? e.what() : "no peer");
      }
    });
    server->start();
    auto s = weft::stream::connect("127.0.0.1", server->local_endpoint().port());
    s.write_all("fail\n");
    CHECK(told.get() == "as asked");
    server->stop();
  }
}

TEST_CASE("a server of tasks holds its limit, reports what a handler throws, and stops when all are served") {
  weft::await([]() -> task<> {
    weft::event reported;
    weft::stream_server server(
        co_await async::listen("127.0.0.1", 0),
        [](weft::stream s, weft::endpoint peer) -> task<> {
          CHECK(static_cast<bool>(peer));
          while (auto line = co_await async::read_line(s)) {
            if (*line == "fail") throw std::runtime_error("as asked");
            co_await async::write_all(s, *line + "!\n");
          }
        },
        {.max_connections = 2});
    server.on_error([&](std::exception_ptr, const weft::endpoint& peer) {
      weft::this_fiber::yield();  // it runs in a fiber
      if (peer) reported.set();
    });
    server.start();
    const auto port = server.local_endpoint().port();
    auto a = co_await async::connect("127.0.0.1", port);
    auto b = co_await async::connect("127.0.0.1", port);
    auto answer = co_await ask(a, "1");
    CHECK(answer == "1!");
    answer = co_await ask(b, "2");
    CHECK(answer == "2!");
    auto c = co_await async::connect("127.0.0.1", port);
    co_await async::write_all(c, "3\n");
    CHECK(server.connections() == 2);
    CHECK(server.accepted() == 2);
    answer = co_await ask(a, "fail");
    CHECK(answer == "end");
    co_await reported;
    const auto third = co_await async::read_line(c);
    CHECK(third == "3!");
    b.close();
    c.close();
    co_await async::stop(server, 1h);
    CHECK(server.connections() == 0);
    CHECK(server.accepted() == 3);
  }());
}

TEST_CASE("a handler stops its server: the others are cancelled, it goes on; serve_forever comes back") {
  weft::await([]() -> task<> {
    weft::stream_server* self = nullptr;
    weft::event held;
    bool unwound = false;
    weft::stream_server server(co_await async::listen("127.0.0.1", 0), [&](weft::stream s) -> task<> {
      const auto line = co_await async::read_line(s);
      if (line == "stop") {
        co_await async::stop(*self, 0s);
        co_await async::write_all(s, "stopped\n");
        co_return;
      }
      struct until_end {
        bool& set;
        ~until_end() { set = true; }
      } at_end{unwound};
      held.set();
      co_await async::sleep_for(1h);
    });
    self = &server;
    auto serving = weft::spawn(async::serve_forever(server));
    auto a = co_await async::connect("127.0.0.1", server.local_endpoint().port());
    auto b = co_await async::connect("127.0.0.1", server.local_endpoint().port());
    co_await async::write_all(a, "hold\n");
    co_await held;
    const auto answer = co_await ask(b, "stop");
    CHECK(answer == "stopped");
    CHECK(unwound);
    co_await serving;
  }());
}

TEST_CASE("a server that a coroutine drops cancels its handlers without waiting for them") {
  weft::event begun, ended;
  weft::await([](weft::event& begins, weft::event& ends) -> task<> {
    weft::stream_server server(co_await async::listen("127.0.0.1", 0), [&begins, &ends](weft::stream s) -> task<> {
      struct until_end {
        weft::event& e;
        ~until_end() { e.set(); }
      } at_end{ends};
      begins.set();
      co_await async::read_line(s);
    });
    server.start();
    auto a = co_await async::connect("127.0.0.1", server.local_endpoint().port());
    co_await begins;
    CHECK_FALSE(ends.is_set());
  }(begun, ended));
  ended.wait();
}
