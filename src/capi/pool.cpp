// weft.h: pools of fibers, and work that is done by OS threads, by processes, or when a signal comes.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "capi/body.hpp"
#include "capi/guard.hpp"
#include "weft/fiber.hpp"
#include "weft/group.hpp"
#include "weft/process_pool.hpp"
#include "weft/signal.hpp"
#include "weft/thread_pool.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_pool {
  explicit weft_pool(std::size_t size) : object(size) {}
  weft::pool object;
};

weft_pool* weft_pool_create(size_t size) {
  return guarded_pointer([&] { return new weft_pool(size); });
}

void weft_pool_destroy(weft_pool* pool) { delete pool; }

int weft_pool_spawn(weft_pool* pool, weft_fiber** fiber, void* (*fn)(void*), void* arg) {
  if (fn == nullptr) return fail(EINVAL);
  return guarded([&] {
    const weft::any_fiber made = pool->object.spawn(c_body{fn, arg});
    if (fiber == nullptr) return;
    weft::detail::fiber_retain(made.weft_base());
    *fiber = reinterpret_cast<weft_fiber*>(made.weft_base());
  });
}

int weft_pool_join(weft_pool* pool, int64_t timeout) {
  return timed(timeout, [&] { pool->object.join(); }, [&](auto d) { return pool->object.join(d); });
}

int weft_pool_kill(weft_pool* pool, int64_t timeout) {
  return timed(timeout, [&] { pool->object.kill(); }, [&](auto d) { return pool->object.kill(d); });
}

size_t weft_pool_size(const weft_pool* pool) { return pool->object.size(); }

int weft_in_thread(void* (*fn)(void*), void* arg, void** result) {
  if (fn == nullptr) return fail(EINVAL);
  return guarded([&] {
    void* const got = weft::default_thread_pool().apply(fn, arg);
    if (result != nullptr) *result = got;
  });
}

ssize_t weft_in_process(ssize_t (*fn)(void* arg, void* out, size_t size), void* arg, void* out, size_t size) {
  if (fn == nullptr || (out == nullptr && size != 0)) return fail(EINVAL);
  return guarded([&]() -> ssize_t {
    const auto work = [&]() -> std::pair<std::int64_t, std::string> {
      std::string bytes(size, '\0');
      errno = 0;
      const ssize_t n = fn(arg, bytes.data(), size);
      if (n < 0) return {-errno, {}};
      bytes.resize(std::min(size, static_cast<std::size_t>(n)));
      return {0, std::move(bytes)};
    };
    try {
      const auto [error, bytes] = weft::run_in_process(work);
      if (error != 0) return fail(static_cast<int>(-error));
      std::memcpy(out, bytes.data(), bytes.size());
      return static_cast<ssize_t>(bytes.size());
    } catch (const weft::process_error&) {
      return fail(ECHILD);
    }
  });
}

int weft_signal_wait(int signal, int64_t timeout) {
  return guarded([&] {
    if (timeout < 0) return weft::signal_wait(signal);
    const auto got = weft::signal_wait_for(signal, std::chrono::nanoseconds(timeout));
    return got ? *got : fail(ETIMEDOUT);
  });
}
