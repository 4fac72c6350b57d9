// weft.h: semaphores.
#include "capi/guard.hpp"
#include "weft/semaphore.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_semaphore {
  explicit weft_semaphore(std::size_t permits) : object(permits) {}
  weft::semaphore object;
};

weft_semaphore* weft_semaphore_create(size_t permits) {
  return guarded_pointer([&] { return new weft_semaphore(permits); });
}

void weft_semaphore_destroy(weft_semaphore* semaphore) { delete semaphore; }

int weft_semaphore_acquire(weft_semaphore* semaphore, int64_t timeout) {
  weft::semaphore& s = semaphore->object;
  return timed(timeout, [&] { s.acquire(); }, [&] { return s.try_acquire(); }, [&](auto d) { return s.try_acquire_for(d); });
}

int weft_semaphore_release(weft_semaphore* semaphore, size_t permits) {
  return guarded([&] { semaphore->object.release(permits); });
}

size_t weft_semaphore_value(const weft_semaphore* semaphore) { return semaphore->object.value(); }
