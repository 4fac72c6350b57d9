// An echo server: one fiber for each connection, written as if it were the only one. Ctrl-C or SIGTERM stops it gracefully.
//
//   echo_server [PORT]        serves on 127.0.0.1, port 7007 unless given
//   echo_server --self-test   serves on a free port, to clients that are fibers of the same program
//
// Prints (self-test):
//   client 0: line 0, line 1, line 2
//   client 1: line 0, line 1, line 2
//   client 2: line 0, line 1, line 2
//   served 3 connections
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <weft/listener.hpp>
#include <weft/server.hpp>
#include <weft/signal.hpp>
#include <weft/stream.hpp>
#include <weft/weft.hpp>

static void echo(weft::stream connection, const weft::endpoint&) {
  while (auto line = connection.read_line()) connection.write_all(*line + "\n");
}

static std::string talk(const weft::endpoint& server, int number) {
  weft::stream s = weft::stream::connect(server);
  std::string heard = "client " + std::to_string(number) + ":";
  for (int i = 0; i < 3; ++i) {
    s.write_all("line " + std::to_string(i) + "\n");
    heard += (i == 0 ? " " : ", ") + s.read_line().value_or("(nothing)");
  }
  return heard;
}

static void self_test() {
  weft::stream_server server(weft::listener("127.0.0.1", 0), echo);
  server.start();
  std::vector<weft::fiber<std::string>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(weft::spawn(talk, server.local_endpoint(), i));
  for (auto& c : clients) std::cout << c.get() << '\n';
  server.stop();
  std::cout << "served " << server.accepted() << " connections\n";
}

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string_view("--self-test")) {
    self_test();
    return 0;
  }
  const int port = argc > 1 ? std::atoi(argv[1]) : 7007;
  weft::stream_server server(weft::listener("127.0.0.1", static_cast<std::uint16_t>(port)), echo);
  server.start();
  std::cout << "echoing on " << server.local_endpoint().to_string() << std::endl;
  weft::signal_wait({SIGINT, SIGTERM});
  std::cout << "stopping with " << server.connections() << " connections open" << std::endl;
  server.stop();
}
