// A server of several processes, a hub in each: all listen on one port (SO_REUSEPORT), and the kernel deals the connections out. Processes
// use several processors; fibers serve many connections in each.
// With a port as its argument (0: any that is free) it serves there until Ctrl-C.
//
// Prints:
//   2 processes listen
//   200 clients were served
//   by more than one process: yes
//   the workers have ended: yes
#include "held_port.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;

// In the worker: serves until told to stop, by the end of the pipe.
static void serve(std::uint16_t port, int ready, int stop) {
  weft::stream_server server(weft::listener("127.0.0.1", port, {.reuse_port = true}), [](weft::stream s, const weft::endpoint&) {
    if (auto line = s.read_line()) s.write_all(std::to_string(getpid()) + " says " + *line + "\n");
  });
  server.start();
  weft::write(ready, "r", 1);
  char end;
  weft::read(stop, &end, 1);
  server.stop();
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
        serve(port.number(), ready[1], stop[0]);
      });
    }));
  char one;
  for (int i = 0; i < 2; ++i) weft::read(ready[0], &one, 1);
  std::printf("2 processes listen\n");
  if (argc > 1) {
    std::fprintf(stderr, "serving at port %d\n", port.number());
    weft::joinall(workers);
  }

  std::map<std::string, int> served_by;
  weft::pool clients(50);
  std::vector<int> numbers(200);
  for (const std::string& answer : clients.imap_unordered(
           [&](int) {
             auto s = weft::stream::connect("127.0.0.1", port.number());
             s.write_all("hello\n");
             return s.read_line().value_or("nothing");
           },
           numbers))
    if (answer.ends_with("hello")) ++served_by[answer.substr(0, answer.find(' '))];
  int served = 0;
  for (const auto& [pid, count] : served_by) served += count;
  std::printf("%d clients were served\nby more than one process: %s\n", served, served_by.size() > 1 ? "yes" : "no");

  weft::close(stop[1]);
  weft::joinall(workers, {.raise_error = true});
  std::printf("the workers have ended: yes\n");
}
