// A server of several processes, a hub in each: all listen on one port (SO_REUSEPORT), and the kernel deals the connections out. Processes
// use several processors; tasks serve many connections in each, a frame of some hundred bytes for one.
// With a port as its argument (0: any that is free) it serves there until Ctrl-C.
//
// Prints:
//   2 processes listen
//   200 clients were served
//   by more than one process: yes
//   the workers have ended: yes
#include "held_port.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

namespace async = weft::async;

static weft::task<> handle(weft::stream s) {
  if (auto line = co_await async::read_line(s)) co_await async::write_all(s, std::to_string(getpid()) + " says " + *line + "\n");
}

// In the worker: serves until told to stop, by the end of the pipe.
static weft::task<> serve(std::uint16_t port, int ready, int stop) {
  weft::stream_server server(co_await async::listen("127.0.0.1", port, {.reuse_port = true}), handle);
  server.start();
  co_await async::write(ready, "r", 1);
  char end;
  co_await async::read(stop, &end, 1);
  co_await async::stop(server);
}

static weft::task<> clients(std::uint16_t port) {
  std::map<std::string, int> served_by;
  weft::pool asking(50);
  auto answers = async::imap_unordered(
      asking,
      [port](int) -> weft::task<std::string> {
        auto s = co_await async::connect("127.0.0.1", port);
        co_await async::write_all(s, "hello\n");
        const auto answer = co_await async::read_line(s);
        co_return answer.value_or("nothing");
      },
      std::vector<int>(200));
  while (auto answer = co_await answers.next())
    if (answer->ends_with("hello")) ++served_by[answer->substr(0, answer->find(' '))];
  int served = 0;
  for (const auto& [pid, count] : served_by) served += count;
  std::printf("%d clients were served\nby more than one process: %s\n", served, served_by.size() > 1 ? "yes" : "no");
}

int main(int argc, char** argv) {
  const held_port port(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
  int ready[2], stop[2];
  if (weft::pipe2(ready, O_CLOEXEC) != 0 || weft::pipe2(stop, O_CLOEXEC) != 0) return 1;
  std::vector<weft::fiber<>> workers;
  for (int i = 0; i < 2; ++i)
    workers.push_back(weft::spawn([&] {
      weft::run_in_process([&] {
        close(stop[1]);
        weft::await(serve(port.number(), ready[1], stop[0]));
      });
    }));
  char one;
  for (int i = 0; i < 2; ++i) weft::read(ready[0], &one, 1);
  std::printf("2 processes listen\n");
  if (argc > 1) {
    std::fprintf(stderr, "serving at port %d\n", port.number());
    weft::joinall(workers);
  }
  weft::await(clients(port.number()));
  weft::close(stop[1]);
  weft::joinall(workers, {.raise_error = true});
  std::printf("the workers have ended: yes\n");
}
