// weft.h: locks that readers share, and barriers.
#include "weft/shared_mutex.hpp"

#include "capi/guard.hpp"
#include "weft/latch.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_rwlock {
  weft::shared_mutex object;
};

struct weft_barrier {
  explicit weft_barrier(std::size_t parties) : object(parties) {}
  weft::barrier object;
};

weft_rwlock* weft_rwlock_create(void) {
  return guarded_pointer([] { return new weft_rwlock; });
}

void weft_rwlock_destroy(weft_rwlock* lock) { delete lock; }

int weft_rwlock_read(weft_rwlock* lock, int64_t timeout) {
  weft::shared_mutex& m = lock->object;
  return timed(
      timeout, [&] { m.lock_shared(); }, [&] { return m.try_lock_shared(); }, [&](auto d) { return m.try_lock_shared_for(d); });
}

int weft_rwlock_write(weft_rwlock* lock, int64_t timeout) {
  weft::shared_mutex& m = lock->object;
  return timed(timeout, [&] { m.lock(); }, [&] { return m.try_lock(); }, [&](auto d) { return m.try_lock_for(d); });
}

int weft_rwlock_unlock(weft_rwlock* lock) {
  return guarded([&] { lock->object.is_locked() ? lock->object.unlock() : lock->object.unlock_shared(); });
}

weft_barrier* weft_barrier_create(size_t parties) {
  return guarded_pointer([&] { return new weft_barrier(parties); });
}

void weft_barrier_destroy(weft_barrier* barrier) { delete barrier; }

int weft_barrier_wait(weft_barrier* barrier, int64_t timeout) {
  try {
    weft::barrier& b = barrier->object;
    return timeout < 0 ? b.arrive_and_wait() : b.arrive_and_wait_for(std::chrono::nanoseconds(timeout));
  } catch (const weft::broken_barrier&) {
    return fail(EPIPE);
  } catch (...) {
    return fail(errno_of_current_exception());
  }
}

int weft_barrier_reset(weft_barrier* barrier) {
  return guarded([&] { barrier->object.reset(); });
}
