#include "dns/gethostby.hpp"

#include <cctype>
#include <cerrno>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>
#include <vector>

#include "core/no_tick.hpp"
#include "dns/choice.hpp"
#include "dns/find.hpp"
#include "dns/host_entry.hpp"
#include "dns/libc_resolver.hpp"
#include "weft/fiber_local.hpp"

namespace weft::dns {

namespace {

// Texts that libc reads as numbers, or refuses as bad ones, without asking anybody.
bool looks_numeric(std::string_view name) {
  if (name.find(':') != name.npos) return true;
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) && name.back() != '.' &&
         name.find_first_not_of("0123456789.") == name.npos;
}

bool is_internet(int family) { return family == AF_INET || family == AF_INET6; }

// What the program sees of a look-up that found nothing: h_errno, and the error that the _r forms return and leave in errno.
struct failure {
  int host_error;
  int error;
};

failure failure_of(const found_host& found) {
  if (found.ended != detail::wake::ready)
    return {NETDB_INTERNAL, found.ended == detail::wake::interrupted ? EINTR : ECANCELED};
  switch (found.is) {
  case verdict::no_data: return {NO_DATA, 0};
  case verdict::unusable: return {NO_RECOVERY, EAGAIN};
  case verdict::refused:
  case verdict::no_answer: return {TRY_AGAIN, EAGAIN};
  case verdict::no_memory: return {NETDB_INTERNAL, ENOMEM};
  default: return {HOST_NOT_FOUND, 0};
  }
}

// Nothing: libc is to answer.
std::optional<found_host> ask_weft_for_name(const char* name, int family) {
  if (!weft_answers() || name == nullptr || !is_internet(family) || looks_numeric(name)) return std::nullopt;
  const auto order = order_of_sources();
  resolver* r = order ? resolver::of(detail::current_hub()) : nullptr;
  if (r == nullptr) return std::nullopt;
  return find_name(*r, *order, name, family);
}

std::optional<found_host> ask_weft_for_address(const void* address, socklen_t length, int family) {
  if (!weft_answers() || address == nullptr || !is_internet(family) || length != (family == AF_INET ? 4u : 16u)) return std::nullopt;
  const ip_address a = family == AF_INET ? ip_address::v4(address) : ip_address::v6(address);
  if (a == ip_address::v6(&in6addr_any)) return std::nullopt;
  const auto order = order_of_sources();
  resolver* r = order ? resolver::of(detail::current_hub()) : nullptr;
  if (r == nullptr) return std::nullopt;
  return find_names(*r, *order, a);
}

enum class asked { name, address };

int give(const found_host& found, asked what, hostent* entry, char* buffer, std::size_t size, hostent** result, int* error) {
  *result = nullptr;
  failure why = failure_of(found);
  if (found.ended == detail::wake::ready && found.is == verdict::ok) {
    if (pack(found, *entry, buffer, size)) {
      *result = entry;
      *error = NETDB_SUCCESS;
      return 0;
    }
    why = {NETDB_INTERNAL, ERANGE};
  }
  *error = why.host_error;
  // libc's look-up of an address takes a server's failure for "not found" but for h_errno.
  if (what == asked::address && why.error == EAGAIN) why.error = 0;
  return errno = why.error;
}

// libc's answer, or the error for what cut it short.
template <class Call>
int from_libc(hostent** result, int* error, Call call) {
  detail::wake ended;
  const int got = call(ended);
  if (ended == detail::wake::ready) return got;
  *result = nullptr;
  *error = NETDB_INTERNAL;
  return errno = ended == detail::wake::interrupted ? EINTR : ECANCELED;
}

int out_of_memory(hostent** result, int* error) {
  *result = nullptr;
  *error = NETDB_INTERNAL;
  return errno = ENOMEM;
}

int name_r(const char* name, int family, hostent* entry, char* buffer, std::size_t size, hostent** result, int* error) {
  try {
    if (const auto found = ask_weft_for_name(name, family)) return give(*found, asked::name, entry, buffer, size, result, error);
  } catch (const std::exception&) {
    return out_of_memory(result, error);
  }
  return from_libc(result, error, [&](detail::wake& ended) {
    return libc_gethostbyname2_r(name, family, entry, buffer, size, result, error, ended);
  });
}

int address_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer, std::size_t size, hostent** result,
              int* error) {
  try {
    if (const auto found = ask_weft_for_address(address, length, family))
      return give(*found, asked::address, entry, buffer, size, result, error);
  } catch (const std::exception&) {
    return out_of_memory(result, error);
  }
  return from_libc(result, error, [&](detail::wake& ended) {
    return libc_gethostbyaddr_r(address, length, family, entry, buffer, size, result, error, ended);
  });
}

// The memory behind what gethostbyname returns: the fiber's own, as it is the process's in libc.
struct own_result {
  hostent entry{};
  std::vector<char> buffer;
};

// Weft's answer, or libc's by `libc(entry, buffer, size, &result, &error, ended)` with as much memory as that takes.
template <class Ask, class Libc>
hostent* in_own_memory(asked what, Ask ask, Libc libc) {
  // Never destroyed: fibers may ask until the very end.
  static auto& results = *new fiber_local<own_result>();
  hostent* result = nullptr;
  int error = NETDB_INTERNAL;
  try {
    const std::optional<found_host> found = ask();
    own_result& own = results.get();
    for (std::size_t size = found ? packed_size(*found) : 1024;; size *= 2) {
      if (own.buffer.size() < size) own.buffer.resize(size);
      char* buffer = own.buffer.data();
      size = own.buffer.size();
      const int got = found ? give(*found, what, &own.entry, buffer, size, &result, &error)
                            : from_libc(&result, &error, [&](detail::wake& ended) {
                                return libc(&own.entry, buffer, size, &result, &error, ended);
                              });
      if (result != nullptr || error != NETDB_INTERNAL || got != ERANGE) break;
    }
  } catch (const std::exception&) {
    out_of_memory(&result, &error);
  }
  if (result == nullptr) h_errno = error;
  return result;
}

// A thread that knows nothing of Weft keeps libc's own behaviour, static memory included.
bool untouched() { return detail::try_hub() == nullptr && !weft_answers(); }

}  // namespace

}  // namespace weft::dns

using namespace weft::dns;

int weft_dns_gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, size_t size, hostent** result, int* error) {
  const weft::core::no_tick steady;
  return name_r(name, family, entry, buffer, size, result, error);
}

int weft_dns_gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer, size_t size,
                             hostent** result, int* error) {
  const weft::core::no_tick steady;
  return address_r(address, length, family, entry, buffer, size, result, error);
}

hostent* weft_dns_gethostbyname2(const char* name, int family) {
  const weft::core::no_tick steady;
  if (untouched()) return libc_gethostbyname2(name, family);
  return in_own_memory(
      asked::name, [&] { return ask_weft_for_name(name, family); },
      [&](auto&&... rest) { return libc_gethostbyname2_r(name, family, rest...); });
}

hostent* weft_dns_gethostbyaddr(const void* address, socklen_t length, int family) {
  const weft::core::no_tick steady;
  if (untouched()) return libc_gethostbyaddr(address, length, family);
  return in_own_memory(
      asked::address, [&] { return ask_weft_for_address(address, length, family); },
      [&](auto&&... rest) { return libc_gethostbyaddr_r(address, length, family, rest...); });
}
