#include "dns/libc_resolver.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "core/hub.hpp"

namespace weft::dns {

namespace {

// Whose turn it is among the fibers of this thread.
struct turns {
  bool taken = false;
  detail::wait_list waiting;
};
thread_local turns of_this_thread;

class turn {
public:
  explicit turn(detail::wake& ended) : hub_(detail::try_hub()) {
    ended = detail::wake::ready;
    if (hub_ == nullptr) return;
    turns& t = of_this_thread;
    if (!t.taken) {
      t.taken = mine_ = true;
      return;
    }
    detail::waiter w("libc resolver");
    t.waiting.push_back(w);
    ended = detail::park(*hub_, w);
    mine_ = ended == detail::wake::ready;  // handed over by whoever went before
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() {
    if (!mine_) return;
    turns& t = of_this_thread;
    detail::wait_node* next = t.waiting.pop_front();
    t.taken = next != nullptr;
    if (next != nullptr) next->notify(next);
  }
  // The calls of a cancelled fiber fail with ECANCELED, which libc takes for a server that cannot be reached.
  detail::wake due() const {
    if (hub_ == nullptr) return detail::wake::ready;
    const detail::wake why = detail::cancellation_due(*hub_);
    return why == detail::wake::cancelled || why == detail::wake::interrupted ? why : detail::wake::ready;
  }

private:
  detail::hub* hub_;
  bool mine_ = false;
};

template <class F>
F* find(std::atomic<F*>& found, const char* name) {
  F* f = found.load(std::memory_order_relaxed);
  if (f != nullptr) return f;
  // By the library's name: with the shim preloaded, libweft.so stands behind libc, where RTLD_NEXT finds nothing.
  void* libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (libc != nullptr) f = reinterpret_cast<F*>(dlsym(libc, name));
  if (f == nullptr) {
    std::fprintf(stderr, "weft: libc has no %s\n", name);
    std::abort();
  }
  found.store(f, std::memory_order_relaxed);
  return f;
}

template <class F>
int in_turn(detail::wake& ended, F call) {
  const turn t(ended);
  if (ended != detail::wake::ready) return EAI_AGAIN;
  const int error = call();
  if (error != 0) ended = t.due();
  return error;
}

}  // namespace

int libc_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result, detail::wake& ended) {
  static std::atomic<decltype(::getaddrinfo)*> found{nullptr};
  return in_turn(ended, [&] { return find(found, "getaddrinfo")(node, service, hints, result); });
}

int libc_getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size,
                     int flags, detail::wake& ended) {
  static std::atomic<decltype(::getnameinfo)*> found{nullptr};
  return in_turn(ended, [&] { return find(found, "getnameinfo")(address, size, host, host_size, service, service_size, flags); });
}

int libc_gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, std::size_t size, hostent** result, int* error,
                          detail::wake& ended) {
  static std::atomic<decltype(::gethostbyname2_r)*> found{nullptr};
  return in_turn(ended, [&] { return find(found, "gethostbyname2_r")(name, family, entry, buffer, size, result, error); });
}

int libc_gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer, std::size_t size,
                         hostent** result, int* error, detail::wake& ended) {
  static std::atomic<decltype(::gethostbyaddr_r)*> found{nullptr};
  return in_turn(ended, [&] { return find(found, "gethostbyaddr_r")(address, length, family, entry, buffer, size, result, error); });
}

hostent* libc_gethostbyname2(const char* name, int family) {
  static std::atomic<decltype(::gethostbyname2)*> found{nullptr};
  return find(found, "gethostbyname2")(name, family);
}

hostent* libc_gethostbyaddr(const void* address, socklen_t length, int family) {
  static std::atomic<decltype(::gethostbyaddr)*> found{nullptr};
  return find(found, "gethostbyaddr")(address, length, family);
}

}  // namespace weft::dns
