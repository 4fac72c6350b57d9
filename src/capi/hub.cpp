// weft.h: hubs, posting to them, and their figures.
#include "capi/guard.hpp"
#include "weft/hub.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_hub {
  weft::hub object;
};

weft_hub* weft_hub_current(void) {
  return guarded_pointer([] { return new weft_hub{weft::hub::current()}; });
}

void weft_hub_release(weft_hub* hub) { delete hub; }

int weft_post(weft_hub* hub, void (*fn)(void*), void* arg) {
  if (hub == nullptr || fn == nullptr) return fail(EINVAL);
  return guarded([&] { hub->object.post([fn, arg] { fn(arg); }); });
}

int weft_call(weft_hub* hub, void* (*fn)(void*), void* arg, void** result) {
  if (hub == nullptr || fn == nullptr) return fail(EINVAL);
  return guarded([&] {
    void* const given = hub->object.call([fn, arg] { return fn(arg); });
    if (result != nullptr) *result = given;
  });
}

int weft_hub_stats(weft_stats* stats) {
  if (stats == nullptr) return fail(EINVAL);
  return guarded([&] {
    const weft::hub_stats s = weft::hub::current().stats();
    *stats = {s.fibers_created, s.switches, s.parks, s.polls,  s.io_events, s.timers_fired,
              s.remote_wakes,   s.fibers,   s.timers, s.stacks, s.poller};
  });
}

void weft_print_run_info(void) {
  guarded([] { weft::print_run_info(); });
}
