// A TCP proxy: for each connection one to the target, and two tasks that copy, one for each direction. When one side ends its stream the
// other direction goes on; when one fails, both end. With PORT ADDRESS TARGET_PORT as its arguments it does so for others until Ctrl-C.
//
// Prints:
//   a line through the proxy: you said hello
//   half-closed: 1000000 bytes there and back
//   20 clients at once: 20 right answers
#include <weft/weft.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace async = weft::async;

static weft::task<> copy(weft::stream& from, weft::stream& to) {
  for (;;) {
    const std::string part = co_await async::read_some(from);
    if (part.empty()) co_return to.shutdown_write();
    co_await async::write_all(to, part);
  }
}

static weft::task<> proxy(weft::stream client, weft::endpoint target) {
  weft::stream server = co_await async::connect(target);
  co_await async::with_group([&](weft::task_group& both) -> weft::task<> {  // the first failure cancels the other direction
    both.spawn([&] { return copy(client, server); });
    both.spawn([&] { return copy(server, client); });
    co_return;
  });
}

static weft::task<> echo(weft::stream s) {
  const auto first = co_await async::read_line(s);
  if (first && *first == "echo all")
    co_await async::write_all(s, co_await async::read_all(s));
  else if (first)
    co_await async::write_all(s, "you said " + *first + "\n");
}

static weft::task<std::string> ask(std::uint16_t port, std::string text) {
  auto s = co_await async::connect("127.0.0.1", port);
  co_await async::write_all(s, text + "\n");
  const auto answer = co_await async::read_line(s);
  co_return answer.value_or("nothing");
}

static weft::task<> send_much(weft::stream& s, const std::string& much) {
  co_await async::write_all(s, "echo all\n" + much);
  s.shutdown_write();
}

static weft::task<> program() {
  weft::stream_server target(co_await async::listen("127.0.0.1", 0), echo);
  target.start();
  weft::stream_server front(co_await async::listen("127.0.0.1", 0),
                            [to = target.local_endpoint()](weft::stream s) { return proxy(std::move(s), to); });
  front.start();
  const auto port = front.local_endpoint().port();

  const std::string answer = co_await ask(port, "hello");
  std::printf("a line through the proxy: %s\n", answer.c_str());

  auto s = co_await async::connect("127.0.0.1", port);
  const std::string much(1'000'000, 'x');
  auto sending = weft::spawn(send_much(s, much));
  const std::string back = co_await async::read_all(s);
  co_await sending;
  std::printf("half-closed: %zu bytes there and back\n", back == much ? back.size() : 0);

  std::vector<weft::task<std::string>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(ask(port, std::to_string(i)));
  const auto answers = co_await async::gather(std::move(clients));
  int right = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) right += answers[i] == "you said " + std::to_string(i);
  std::printf("20 clients at once: %d right answers\n", right);
  co_await async::stop(front);
  co_await async::stop(target);
}

static weft::task<> proxy_for_others(std::uint16_t port, weft::endpoint target) {
  weft::stream_server front(co_await async::listen("127.0.0.1", port), [target](weft::stream s) { return proxy(std::move(s), target); });
  std::fprintf(stderr, "serving at port %d\n", front.local_endpoint().port());
  co_await async::serve_forever(front);
}

int main(int argc, char** argv) {
  const auto number = [](const char* text) { return static_cast<std::uint16_t>(std::atoi(text)); };
  if (argc > 3) weft::await(proxy_for_others(number(argv[1]), weft::endpoint::ip(argv[2], number(argv[3]))));
  weft::await(program());
}
