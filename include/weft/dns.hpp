// Names to addresses, without blocking the thread: many look-ups at once, each parking only its fiber. Semantics are glibc's
// getaddrinfo: hosts file, nsswitch order, search list, RFC 6724 order. WEFT_RESOLV_CONF names another resolv.conf, in which a
// name server may carry a port (`nameserver 127.0.0.1:5353`).
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weft/detail/runtime.hpp"
#include "weft/endpoint.hpp"
#include "weft/error.hpp"

namespace weft {

// As getaddrinfo(3): 0 or an EAI_ code; the list is freed by freeaddrinfo. Parks. Throws cancelled, deadlock, bad_alloc, out_of_stacks.
WEFT_API int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);

// As getnameinfo(3): the names of an address and a port, or their numbers. 0 or an EAI_ code. Parks unless the flags ask for numbers
// only. Throws cancelled, deadlock, bad_alloc, out_of_stacks.
WEFT_API int getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service,
                         socklen_t service_size, int flags);

// A name could not be resolved; what() is a sentence with the name and the reason.
class WEFT_API resolve_error : public error {
public:
  // `code` is an EAI_ code of netdb.h, `host` what was looked up.
  resolve_error(int code, std::string_view host);
  ~resolve_error() override;
  int code() const noexcept { return code_; }

private:
  int code_;
};

// The stream-socket addresses of a host, in the order in which to try them (asyncio's loop.getaddrinfo). `service` is a number or a
// name of /etc/services. Parks. Throws resolve_error, cancelled, bad_alloc.
WEFT_API std::vector<endpoint> resolve(std::string_view host, std::string_view service);
WEFT_API std::vector<endpoint> resolve(std::string_view host, std::uint16_t port);

}  // namespace weft
