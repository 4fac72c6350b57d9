// Starts weft-dns-server for one test and ends it with the test. Relies on WEFT_DNS_SERVER, the path of the program,
// which meson sets for every test. The server is a process of its own, so that Weft's look-ups cross a real socket.
#pragma once

#include "child.hpp"

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace weft_test {

class dns_process {
public:
  // `options` are those of the program, for example {"--record", "a.test=127.0.0.1"}.
  explicit dns_process(std::vector<std::string> options) {
    const char* program = std::getenv("WEFT_DNS_SERVER");
    if (program == nullptr) throw std::runtime_error("WEFT_DNS_SERVER is not set: run this by `meson test`");
    char name[] = "/tmp/weft-dns-XXXXXX";
    if (mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = name;
    std::vector<std::string> arguments{program, "--end-with-parent", "--port-file", folder_ + "/port",
                                       "--stats-file", folder_ + "/stats", "--log", folder_ + "/log"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_ = start_program(arguments, {"LD_PRELOAD"}, &actions);
    posix_spawn_file_actions_destroy(&actions);
    while (!(std::ifstream(folder_ + "/port") >> port_)) {
      if (waitpid(pid_, nullptr, WNOHANG) != 0) throw std::runtime_error("weft-dns-server did not start");
      usleep(1000);
    }
    std::ofstream(resolv_conf()) << "nameserver 127.0.0.1:" << port_ << "\n";
  }
  dns_process(const dns_process&) = delete;
  dns_process& operator=(const dns_process&) = delete;
  ~dns_process() {
    stop();
    for (const char* file : {"/port", "/stats", "/log", "/resolv.conf"}) unlink((folder_ + file).c_str());
    rmdir(folder_.c_str());
  }

  int port() const { return port_; }
  // A file for WEFT_RESOLV_CONF that names this server; a test may add lines to it.
  std::string resolv_conf() const { return folder_ + "/resolv.conf"; }

  // The queries so far, in the order they came: "A host.test".
  std::vector<std::string> queries() const {
    std::vector<std::string> lines;
    std::ifstream log(folder_ + "/log");
    for (std::string line; std::getline(log, line);) lines.push_back(line);
    return lines;
  }

  // Ends the server and returns its counters: queries, answered, dropped, tcp, most_in_flight.
  std::map<std::string, long> stop() {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
      pid_ = -1;
      std::ifstream file(folder_ + "/stats");
      for (std::string field; file >> field;) {
        const std::size_t equals = field.find('=');
        if (equals != std::string::npos) stats_[field.substr(0, equals)] = std::stol(field.substr(equals + 1));
      }
    }
    return stats_;
  }

private:
  std::string folder_;
  pid_t pid_ = -1;
  int port_ = 0;
  std::map<std::string, long> stats_;
};

}  // namespace weft_test
