// weft.h: latches.
#include "capi/guard.hpp"
#include "weft/latch.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_latch {
  explicit weft_latch(std::size_t count) : object(count) {}
  weft::latch object;
};

weft_latch* weft_latch_create(size_t count) {
  return guarded_pointer([&] { return new weft_latch(count); });
}

void weft_latch_destroy(weft_latch* latch) { delete latch; }

int weft_latch_count_down(weft_latch* latch, size_t n) {
  if (n > latch->object.count()) return fail(EINVAL);
  return guarded([&] { latch->object.count_down(n); });
}

int weft_latch_wait(weft_latch* latch, int64_t timeout) {
  weft::latch& l = latch->object;
  return timed(timeout, [&] { l.wait(); }, [&] { return l.try_wait(); }, [&](auto d) { return l.wait_for(d); });
}
