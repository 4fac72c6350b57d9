// What the descriptors of another process are, in words: files by their path, sockets by their ends, from /proc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "inspect/process.hpp"

namespace weft::inspect {

class descriptors {
public:
  explicit descriptors(const process& p) : process_(p) {}

  // "tcp 127.0.0.1:80 <- 127.0.0.1:4711", "unix /run/x.sock", "pipe", "/var/log/x"; empty when nothing is known.
  const std::string& of(int fd);

private:
  void read_sockets();
  void read_inet(const char* file, const char* what, bool six);
  void read_unix();

  const process& process_;
  bool sockets_read_ = false;
  std::unordered_map<std::uint64_t, std::string> sockets_;  // by inode
  std::map<int, std::string> known_;
};

}  // namespace weft::inspect
