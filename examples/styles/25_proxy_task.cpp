// A TCP proxy: for each connection one to the target, and two tasks that copy, one for each direction. When one side ends its stream the
// other direction goes on; when one fails, both end.
//
// Prints:
//   a line through the proxy: you said hello
//   half-closed: 1000000 bytes there and back
//   20 clients at once: 20 right answers
#include "line_stream.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace async = weft::async;

static weft::task<> copy(line_stream& from, line_stream& to) {
  for (;;) {
    const std::string part = co_await from.read_some();
    if (part.empty()) break;
    co_await to.write_all(part);
  }
  to.shutdown_write();
}

static weft::task<> proxy(line_stream client, std::uint16_t target) {
  line_stream server = co_await line_stream::connect(target);
  co_await async::with_group([&](weft::task_group& both) -> weft::task<> {  // the first failure cancels the other direction
    both.spawn([&] { return copy(client, server); });
    both.spawn([&] { return copy(server, client); });
    co_return;
  });
}

static weft::task<> echo(line_stream s) {
  const auto first = co_await s.read_line();
  if (first && *first == "echo all")
    co_await s.write_all(co_await s.read_all());
  else if (first)
    co_await s.write_all("you said " + *first + "\n");
}

static weft::task<> accept_all(int listener, auto handle) {
  for (;;) weft::spawn(handle(co_await line_stream::accept(listener)));
}

static weft::task<std::string> ask(std::uint16_t port, std::string text) {
  line_stream s = co_await line_stream::connect(port);
  co_await s.write_all(text + "\n");
  const auto answer = co_await s.read_line();
  co_return answer.value_or("nothing");
}

static weft::task<> send_much(line_stream& s, const std::string& much) {
  co_await s.write_all("echo all\n" + much);
  s.shutdown_write();
}

static weft::task<> program() {
  const int target = line_stream::listen(), front = line_stream::listen();
  auto serving = weft::spawn(accept_all(target, echo));
  const auto to = line_stream::port_of(target), port = line_stream::port_of(front);
  auto proxying = weft::spawn(accept_all(front, [to](line_stream s) { return proxy(std::move(s), to); }));

  const std::string answer = co_await ask(port, "hello");
  std::printf("a line through the proxy: %s\n", answer.c_str());

  line_stream s = co_await line_stream::connect(port);
  const std::string much(1'000'000, 'x');
  auto sending = weft::spawn(send_much(s, much));
  const std::string back = co_await s.read_all();
  co_await sending;
  std::printf("half-closed: %zu bytes there and back\n", back == much ? back.size() : 0);

  std::vector<weft::fiber<std::string>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(weft::spawn(ask(port, std::to_string(i))));
  int right = 0;
  for (int i = 0; i < 20; ++i) right += co_await clients[static_cast<std::size_t>(i)] == "you said " + std::to_string(i);
  std::printf("20 clients at once: %d right answers\n", right);
  serving.cancel();
  proxying.cancel();
}

int main() { weft::await(program()); }
