// weft.h: events.
#include "capi/guard.hpp"
#include "weft/event.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_event {
  weft::event object;
};

weft_event* weft_event_create(void) {
  return guarded_pointer([] { return new weft_event; });
}

void weft_event_destroy(weft_event* event) { delete event; }

int weft_event_set(weft_event* event) {
  return guarded([&] { event->object.set(); });
}

int weft_event_clear(weft_event* event) {
  return guarded([&] { event->object.clear(); });
}

int weft_event_is_set(const weft_event* event) { return event->object.is_set() ? 1 : 0; }

int weft_event_wait(weft_event* event, int64_t timeout) {
  weft::event& e = event->object;
  return timed(timeout, [&] { e.wait(); }, [&] { return e.is_set(); }, [&](auto d) { return e.wait_for(d); });
}
