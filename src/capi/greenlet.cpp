// weft.h: greenlets. What is sent is a void*.
#include "capi/guard.hpp"
#include "weft/greenlet.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_greenlet {
  weft::greenlet object;
};

weft_greenlet* weft_greenlet_create(void* (*fn)(void*, void*), void* arg, size_t stack_size) {
  if (fn == nullptr) {
    errno = EINVAL;
    return nullptr;
  }
  return guarded_pointer([&] {
    const auto body = [fn, arg](weft::greenlet_value first) -> weft::greenlet_value {
      return fn(arg, first.has<void*>() ? first.as<void*>() : nullptr);
    };
    return new weft_greenlet{weft::greenlet(body, {.stack_size = stack_size})};
  });
}

int weft_greenlet_switch(weft_greenlet* to, void* sent, void** got) {
  if (to == nullptr) return fail(EINVAL);
  return guarded([&] {
    weft::greenlet_value v = to->object.switch_to(sent);
    if (got != nullptr) *got = v.has<void*>() ? v.as<void*>() : nullptr;
    return 0;
  });
}

weft_greenlet* weft_greenlet_current(void) {
  return guarded_pointer([] { return new weft_greenlet{weft::greenlet::current()}; });
}

int weft_greenlet_dead(const weft_greenlet* greenlet) { return greenlet->object.dead() ? 1 : 0; }

void weft_greenlet_release(weft_greenlet* greenlet) { delete greenlet; }
