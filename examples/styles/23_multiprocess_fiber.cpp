// A server of several processes, a hub in each: all listen on one port (SO_REUSEPORT), and the kernel deals the connections out. Processes
// use several processors; fibers serve many connections in each.
//
// Prints:
//   2 processes listen
//   200 clients were served
//   by more than one process: yes
//   the workers have ended: yes
#include <weft/weft.hpp>

#include <chrono>
#include <cstdio>
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

int main() {
  // Holds the port while the workers bind to it too, and takes no connection itself: it never listens.
  const int holder = weft::socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(holder, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* address = reinterpret_cast<sockaddr*>(&at);
  if (bind(holder, address, size) != 0 || getsockname(holder, address, &size) != 0) return 1;
  const std::uint16_t port = ntohs(at.sin_port);

  int ready[2], stop[2];
  if (weft::pipe2(ready, O_CLOEXEC) != 0 || weft::pipe2(stop, O_CLOEXEC) != 0) return 1;
  std::vector<weft::fiber<>> workers;
  for (int i = 0; i < 2; ++i)
    workers.push_back(weft::spawn([&] {
      weft::run_in_process([&] {
        close(stop[1]);
        serve(port, ready[1], stop[0]);
      });
    }));
  char one;
  for (int i = 0; i < 2; ++i) weft::read(ready[0], &one, 1);
  std::printf("2 processes listen\n");

  std::map<std::string, int> served_by;
  weft::pool clients(50);
  std::vector<int> numbers(200);
  for (const std::string& answer : clients.imap_unordered(
           [&](int) {
             auto s = weft::stream::connect("127.0.0.1", port);
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
