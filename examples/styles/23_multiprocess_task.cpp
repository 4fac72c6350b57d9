// A server of several processes, a hub in each: all listen on one port (SO_REUSEPORT), and the kernel deals the connections out. Processes
// use several processors; tasks serve many connections in each, a frame of some hundred bytes for one.
//
// Prints:
//   2 processes listen
//   200 clients were served
//   by more than one process: yes
//   the workers have ended: yes
#include "line_stream.hpp"

#include <cstdio>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

namespace async = weft::async;

static weft::task<> handle(line_stream s) {
  if (auto line = co_await s.read_line()) co_await s.write_all(std::to_string(getpid()) + " says " + *line + "\n");
}

static weft::task<> accept_all(int listener) {
  for (;;) weft::spawn(handle(co_await line_stream::accept(listener)));
}

// In the worker: serves until told to stop, by the end of the pipe.
static weft::task<> serve(std::uint16_t port, int ready, int stop) {
  auto accepting = weft::spawn(accept_all(line_stream::listen(port, true)));
  co_await async::write(ready, "r", 1);
  char end;
  co_await async::read(stop, &end, 1);
  accepting.cancel();
  co_await async::join(accepting);
}

static weft::task<std::string> ask(std::uint16_t port) {
  line_stream s = co_await line_stream::connect(port);
  co_await s.write_all("hello\n");
  const auto answer = co_await s.read_line();
  co_return answer.value_or("nothing");
}

static weft::task<> clients(std::uint16_t port) {
  std::map<std::string, int> served_by;
  int served = 0;
  for (int round = 0; round < 4; ++round) {
    std::vector<weft::fiber<std::string>> asking;
    for (int i = 0; i < 50; ++i) asking.push_back(weft::spawn(ask(port)));
    for (auto& f : asking) {
      const std::string answer = co_await f;
      if (!answer.ends_with("hello")) continue;
      ++served_by[answer.substr(0, answer.find(' '))];
      ++served;
    }
  }
  std::printf("%d clients were served\nby more than one process: %s\n", served, served_by.size() > 1 ? "yes" : "no");
}

int main() {
  // Holds the port while the workers bind to it too, and takes no connection itself: it never listens.
  const int holder = weft::socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(holder, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(holder, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) return 1;
  const std::uint16_t port = line_stream::port_of(holder);

  int ready[2], stop[2];
  if (weft::pipe2(ready, O_CLOEXEC) != 0 || weft::pipe2(stop, O_CLOEXEC) != 0) return 1;
  std::vector<weft::fiber<>> workers;
  for (int i = 0; i < 2; ++i)
    workers.push_back(weft::spawn([&] {
      weft::run_in_process([&] {
        close(stop[1]);
        weft::await(serve(port, ready[1], stop[0]));
      });
    }));
  char one;
  for (int i = 0; i < 2; ++i) weft::read(ready[0], &one, 1);
  std::printf("2 processes listen\n");
  weft::await(clients(port));
  weft::close(stop[1]);
  weft::joinall(workers, {.raise_error = true});
  std::printf("the workers have ended: yes\n");
}
