// A TCP proxy: for each connection one to the target, and two fibers that copy, one for each direction. When one side ends its stream the
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

static void copy(weft::stream& from, weft::stream& to) {
  for (;;) {
    const std::string part = from.read_some();
    if (part.empty()) return to.shutdown_write();
    to.write_all(part);
  }
}

static void proxy(weft::stream client, const weft::endpoint& target) {
  weft::stream server = weft::stream::connect(target);
  weft::task_group both;  // the first failure cancels the other direction
  both.spawn([&] { copy(client, server); });
  both.spawn([&] { copy(server, client); });
  both.join();
}

int main(int argc, char** argv) {
  if (argc > 3) {
    const auto number = [](const char* text) { return static_cast<std::uint16_t>(std::atoi(text)); };
    weft::stream_server front(weft::listener("127.0.0.1", number(argv[1])),
                              [to = weft::endpoint::ip(argv[2], number(argv[3]))](weft::stream s) { proxy(std::move(s), to); });
    std::fprintf(stderr, "serving at port %d\n", front.local_endpoint().port());
    front.serve_forever();
  }
  weft::stream_server target(weft::listener("127.0.0.1", 0), [](weft::stream s) {
    const auto first = s.read_line();
    if (first && *first == "echo all")
      s.write_all(s.read_all());
    else if (first)
      s.write_all("you said " + *first + "\n");
  });
  target.start();
  weft::stream_server front(weft::listener("127.0.0.1", 0),
                            [to = target.local_endpoint()](weft::stream s) { proxy(std::move(s), to); });
  front.start();
  const auto port = front.local_endpoint().port();

  const auto ask = [port](const std::string& text) {
    auto s = weft::stream::connect("127.0.0.1", port);
    s.write_all(text + "\n");
    return s.read_line().value_or("nothing");
  };
  std::printf("a line through the proxy: %s\n", ask("hello").c_str());

  auto s = weft::stream::connect("127.0.0.1", port);
  const std::string much(1'000'000, 'x');
  auto sending = weft::spawn([&] {
    s.write_all("echo all\n" + much);
    s.shutdown_write();
  });
  const std::string back = s.read_all();
  sending.get();
  std::printf("half-closed: %zu bytes there and back\n", back == much ? back.size() : 0);

  std::vector<weft::fiber<bool>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(weft::spawn([&, text = std::to_string(i)] { return ask(text) == "you said " + text; }));
  int right = 0;
  for (const bool ok : weft::gather(clients)) right += ok;
  std::printf("20 clients at once: %d right answers\n", right);
}
