#include "io/user_memory.hpp"

#include <cerrno>
#include <csignal>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// rt_sigprocmask copies the set in before it looks at an invalid `how`: EINVAL says that the 8 bytes can be read. No other
// call asks so little (process_vm_readv is a ptrace access, which sandboxes refuse).
bool can_read(const void* at) noexcept { return sys::raw(SYS_rt_sigprocmask, -1, at, nullptr, 8) != -EFAULT; }

// Writes the present mask there, to be overwritten at once.
bool can_write(void* at) noexcept { return sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, at, 8) != -EFAULT; }

// Calls `probe` on words that touch every page of the range.
template <class Probe>
bool each_page(char* at, std::size_t bytes, Probe probe) noexcept {
  if (bytes == 0) return true;
  if (at == nullptr) return false;
  const auto page_of = [](const char* byte) { return reinterpret_cast<std::uintptr_t>(byte) / sys::page_size; };
  char* const last = at + bytes - 8;
  if (!probe(at)) return false;
  while (last - at >= static_cast<std::ptrdiff_t>(sys::page_size))
    if (!probe(at += sys::page_size)) return false;
  return page_of(at) == page_of(last + 7) || probe(last);
}

}  // namespace

bool readable(const void* user, std::size_t bytes) noexcept {
  return each_page(static_cast<char*>(const_cast<void*>(user)), bytes, [](char* at) { return can_read(at); });
}

bool copy_in(void* to, const void* user, std::size_t bytes) noexcept {
  if (!readable(user, bytes)) return false;
  sys::copy(to, user, bytes);
  return true;
}

bool copy_out(void* user, const void* from, std::size_t bytes) noexcept {
  if (!each_page(static_cast<char*>(user), bytes, [](char* at) { return can_write(at); })) return false;
  sys::copy(user, from, bytes);
  return true;
}

}  // namespace weft::io
