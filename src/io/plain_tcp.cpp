#include "io/plain_tcp.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "io/low_water.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

core::fd_kind learn_kind(int fd, core::fd_entry& e) noexcept {
  // SO_PROTOCOL tells MPTCP and SMC apart from TCP; TCP_ULP fails on raw sockets of protocol 6, and its length is 0 when no upper
  // layer (kernel TLS) cuts the stream into records.
  int protocol = 0;
  socklen_t size = sizeof protocol;
  char upper[16];
  socklen_t upper_size = sizeof upper;
  const bool plain = sys::raw(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP &&
                     sys::raw(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, &upper[0], &upper_size) == 0 && upper_size == 0 &&
                     (!low_water_used.load_relaxed() || low_water_of(fd) == 1);
  struct stat st;
  const bool file = !plain && sys::raw(SYS_fstat, fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
  e.kind = plain ? core::fd_kind::tcp : file ? core::fd_kind::file : core::fd_kind::other;
  return e.kind;
}

}  // namespace weft::io
