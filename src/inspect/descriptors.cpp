#include "inspect/descriptors.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace weft::inspect {
namespace {

constexpr unsigned tcp_listen = 0x0a;  // include/net/tcp_states.h

// "0100007F:1F90" of /proc/net/tcp: each word of the address as the machine has it in a register.
std::string end_point(const std::string& text, bool six, bool& none) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return {};
  std::uint32_t words[4] = {};
  const int count = six ? 4 : 1;
  for (int i = 0; i < count; ++i)
    words[i] = static_cast<std::uint32_t>(std::strtoul(text.substr(static_cast<std::size_t>(i) * 8, 8).c_str(), nullptr, 16));
  const unsigned long port = std::strtoul(text.c_str() + colon + 1, nullptr, 16);
  none = port == 0;
  char name[INET6_ADDRSTRLEN] = {};
  const bool mapped = six && words[0] == 0 && words[1] == 0 && words[2] == 0xffff0000u;
  if (six && !mapped)
    inet_ntop(AF_INET6, words, name, sizeof name);
  else
    inet_ntop(AF_INET, six ? &words[3] : words, name, sizeof name);
  const std::string number = port == 0 ? "*" : std::to_string(port);
  return six && !mapped ? "[" + std::string(name) + "]:" + number : std::string(name) + ":" + number;
}

}  // namespace

void descriptors::read_inet(const char* file, const char* what, bool six) {
  std::istringstream lines(file_text(process_.proc(file)));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    char local[64], remote[64];
    unsigned state = 0;
    unsigned long inode = 0;
    if (std::sscanf(line.c_str(), "%*s %63s %63s %x %*s %*s %*s %*s %*s %lu", local, remote, &state, &inode) != 4 || inode == 0) continue;
    bool none = false, unused = false;
    const std::string here = end_point(local, six, unused), there = end_point(remote, six, none);
    std::string text = std::string(what) + " " + here;
    if (!none)
      text += " <-> " + there;
    else if (std::strncmp(what, "tcp", 3) == 0 && state == tcp_listen)
      text += " listening";
    sockets_[inode] = text;
  }
}

void descriptors::read_unix() {
  std::istringstream lines(file_text(process_.proc("net/unix")));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    unsigned long inode = 0;
    int path_at = 0;
    if (std::sscanf(line.c_str(), "%*s %*s %*s %*s %*s %*s %lu %n", &inode, &path_at) < 1) continue;
    const bool named = path_at > 0 && static_cast<std::size_t>(path_at) < line.size();
    sockets_[inode] = named ? "unix " + line.substr(static_cast<std::size_t>(path_at)) : "unix socket";
  }
}

void descriptors::read_sockets() {
  sockets_read_ = true;
  read_inet("net/tcp", "tcp", false);
  read_inet("net/tcp6", "tcp", true);
  read_inet("net/udp", "udp", false);
  read_inet("net/udp6", "udp", true);
  read_unix();
}

const std::string& descriptors::of(int fd) {
  const auto [at, fresh] = known_.try_emplace(fd);
  if (!fresh) return at->second;
  std::string text = link_text(process_.proc("fd/" + std::to_string(fd)));
  if (text.starts_with("socket:[")) {
    if (!sockets_read_) read_sockets();
    const auto found = sockets_.find(std::strtoull(text.c_str() + 8, nullptr, 10));
    text = found != sockets_.end() ? found->second : "socket";
  } else if (text.starts_with("pipe:[")) {
    text = "pipe";
  } else if (text.starts_with("anon_inode:")) {
    text = text.substr(11);
    if (text.size() > 2 && text.front() == '[') text = text.substr(1, text.size() - 2);
  }
  return at->second = text;
}

}  // namespace weft::inspect
