#include "dns/channel.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>

#include "sys/syscall.hpp"
#include "weft/io.hpp"

namespace weft::dns {

namespace {

// Answers to a burst of queries arrive together; the kernel's default holds some 270 small ones. Clamped to net.core.rmem_max.
constexpr int receive_buffer = 1 << 20;

template <class T = int>
T as_posix(long result) {
  if (result >= 0) return static_cast<T>(result);
  errno = static_cast<int>(-result);
  return -1;
}

// c-ares' socket calls, raw: its sockets never block, and a call that parked would let another fiber in.
ares_socket_t open_socket(int domain, int type, int protocol, void*) {
  const int fd = as_posix(sys::raw(SYS_socket, domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (fd >= 0 && type == SOCK_DGRAM)
    sys::raw(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  return fd;
}
int connect_socket(ares_socket_t fd, const sockaddr* to, ares_socklen_t size, void*) {
  return as_posix(sys::raw(SYS_connect, fd, to, size));
}
ares_ssize_t receive(ares_socket_t fd, void* to, size_t size, int flags, sockaddr* from, ares_socklen_t* from_size, void*) {
  return as_posix<ares_ssize_t>(sys::raw(SYS_recvfrom, fd, to, size, flags, from, from_size));
}
ares_ssize_t send_vector(ares_socket_t fd, const iovec* parts, int count, void*) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return as_posix<ares_ssize_t>(sys::raw(SYS_sendmsg, fd, &message, MSG_NOSIGNAL));
}
// Through Weft, which must forget what it knows of the number.
int close_socket(ares_socket_t fd, void*) { return weft::close(fd); }

const ares_socket_functions socket_calls{open_socket, close_socket, connect_socket, receive, send_vector};

struct pending {
  channel::told tell;
  void* argument;
  std::size_t* in_flight;
};

void on_answer(void* argument, int status, int, unsigned char* message, int size) {
  const std::unique_ptr<pending> p(static_cast<pending*>(argument));
  --*p->in_flight;
  p->tell(p->argument, status, message, message == nullptr || size < 0 ? 0 : static_cast<std::size_t>(size));
}

}  // namespace

channel::channel(const cares& library, const resolv_conf& conf) : library_(library) {
  sockets_.reserve(16);
  // Everything that c-ares would otherwise read from files of its own choice is given here.
  char lookups[] = "b";
  char no_file[] = "/dev/null";
  ares_options options{};
  // Sockets are closed when nothing is in flight, so that later queries leave from another port: forged answers must guess it.
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | (conf.use_tcp ? ARES_FLAG_USEVC : 0) |
                  (conf.edns ? ARES_FLAG_EDNS : 0);
  options.ednspsz = 1200;  // as glibc's, small enough never to be cut into fragments
  options.timeout = conf.timeout * 1000;
  options.tries = conf.attempts;
  options.ndots = conf.ndots;
  options.lookups = lookups;
  options.resolvconf_path = no_file;
  options.sock_state_cb = &channel::socket_state;
  options.sock_state_cb_data = this;
  const int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
                    ARES_OPT_EDNSPSZ | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB | (conf.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
  if (library_.init_options(&handle_, &options, given) != ARES_SUCCESS) throw std::bad_alloc();
  library_.set_socket_functions(handle_, &socket_calls, nullptr);
  if (library_.set_servers_ports_csv(handle_, servers_csv(conf).c_str()) != ARES_SUCCESS) {
    library_.destroy(handle_);
    throw std::bad_alloc();
  }
}

channel::~channel() { library_.destroy(handle_); }

void channel::query(const std::string& name, int type, told tell, void* argument) {
  auto p = std::make_unique<pending>(pending{tell, argument, &in_flight_});
  ++in_flight_;
  constexpr int class_in = 1;
  library_.query(handle_, name.c_str(), class_in, type, &on_answer, p.release());
}

int channel::timeout_ms(int limit) const {
  timeval most{limit / 1000, limit % 1000 * 1000}, left{};
  const timeval* t = library_.timeout(handle_, &most, &left);
  // Rounded up: waking early would find nothing expired and spin until it has.
  return t == nullptr ? limit : static_cast<int>(t->tv_sec * 1000 + (t->tv_usec + 999) / 1000);
}

void channel::socket_state(void* self, ares_socket_t fd, int readable, int writable) {
  channel& c = *static_cast<channel*>(self);
  ++c.version_;
  const auto at = std::find_if(c.sockets_.begin(), c.sockets_.end(), [&](const watched& w) { return w.fd == fd; });
  if (readable == 0 && writable == 0) {
    if (at != c.sockets_.end()) c.sockets_.erase(at);
  } else if (at != c.sockets_.end()) {
    *at = {fd, readable != 0, writable != 0};
  } else {
    c.sockets_.push_back({fd, readable != 0, writable != 0});
  }
}

}  // namespace weft::dns
