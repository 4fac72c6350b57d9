// weft.h: mutexes and conditions.
#include "capi/guard.hpp"
#include "weft/condition_variable.hpp"
#include "weft/mutex.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_mutex {
  weft::mutex object;
};
struct weft_condition {
  weft::condition_variable object;
};

weft_mutex* weft_mutex_create(void) {
  return guarded_pointer([] { return new weft_mutex; });
}

void weft_mutex_destroy(weft_mutex* mutex) { delete mutex; }

int weft_mutex_lock(weft_mutex* mutex, int64_t timeout) {
  weft::mutex& m = mutex->object;
  return timed(timeout, [&] { m.lock(); }, [&] { return m.try_lock(); }, [&](auto d) { return m.try_lock_for(d); });
}

int weft_mutex_unlock(weft_mutex* mutex) {
  return guarded([&] { mutex->object.unlock(); });
}

weft_condition* weft_condition_create(void) {
  return guarded_pointer([] { return new weft_condition; });
}

void weft_condition_destroy(weft_condition* condition) { delete condition; }

int weft_condition_wait(weft_condition* condition, weft_mutex* mutex, int64_t timeout) {
  // The caller's lock, which stays the caller's however the wait ends.
  struct lent {
    std::unique_lock<weft::mutex> lock;
    explicit lent(weft::mutex& m) : lock(m, std::adopt_lock) {}
    ~lent() { lock.release(); }
  } held(mutex->object);
  weft::condition_variable& c = condition->object;
  return timed(
      timeout, [&] { c.wait(held.lock); }, [&](auto d) { return c.wait_for(held.lock, d) == std::cv_status::no_timeout; });
}

int weft_condition_notify(weft_condition* condition, size_t count) {
  return guarded([&] { condition->object.notify(count); });
}
