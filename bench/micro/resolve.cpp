// Many names at once: 1,000 look-ups by getaddrinfo's C++ form in fibers of one thread, against a name server that takes its time for each.
//
// resolve PORT COUNT: prints JSON. The server (weft-dns-server) counts queries: more than COUNT and one means that some were sent again.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "weft/dns.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"

namespace {

bool found(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (weft::getaddrinfo(name.c_str(), "80", &hints, &list) != 0) return false;
  freeaddrinfo(list);
  return true;
}

double all_at_once(int round, int count) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<weft::fiber<bool>> fibers;
  for (int i = 0; i < count; ++i)
    fibers.push_back(weft::spawn([=] { return found("n" + std::to_string(round) + "-" + std::to_string(i) + ".many.test"); }));
  for (auto& f : fibers)
    if (!f.get()) {
      std::fprintf(stderr, "a name was not found\n");
      std::exit(1);
    }
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  char file[] = "/tmp/weft-resolve-XXXXXX";
  const int fd = mkstemp(file);
  const std::string line = std::string("nameserver 127.0.0.1:") + argv[1] + "\n";
  if (fd < 0 || write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return 2;
  setenv("WEFT_RESOLV_CONF", file, 1);
  const int count = std::atoi(argv[2]);
  // The first one loads c-ares and reads the configuration, as in any program that has run for a while.
  if (!found("first.many.test")) return 1;
  const double ms = all_at_once(1, count);
  unlink(file);
  if (weft::this_hub().stats().parks < static_cast<unsigned long>(count)) {
    std::fprintf(stderr, "nothing parked\n");
    return 1;
  }
  std::printf("{\"ms\": %.1f, \"count\": %d}\n", ms, count);
  return 0;
}
