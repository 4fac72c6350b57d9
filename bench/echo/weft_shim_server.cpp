// The echo server on plain blocking calls that know nothing of Weft, made cooperative by
// weft::patch_all(): the price of the rewritten system call sites over weft_server.cpp.
// Prints its port on stdout, and what was patched at the end; it must fail rather than serve when the sites are not Weft's.

#include "listen.h"
#include "weft_main.hpp"

namespace {

void serve(int fd) {
  char buffer[echo_buffer_size];
  for (;;) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || ::send(fd, buffer, std::size_t(n), MSG_NOSIGNAL) != n) break;
  }
  ::close(fd);
}

void accept_all(int listener) {
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) die("accept4", errno);
    weft::spawn(serve, fd);
  }
}

}  // namespace

int main() {
  weft::patch_all();
  const auto sites = static_cast<unsigned long long>(weft::patch_info().sites_patched);
  if (sites == 0) {
    std::fprintf(stderr, "weft_shim_server: no system call site was patched\n");
    return 1;
  }
  weft::spawn(accept_all, listen_on_loopback(0));
  char more[64];
  std::snprintf(more, sizeof more, "\"sites_patched\": %llu, ", sites);
  serve_until_input_ends(more);
}
