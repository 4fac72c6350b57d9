// weft.h: queues of pointers.
#include "capi/guard.hpp"
#include "weft/queue.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_queue {
  explicit weft_queue(std::size_t capacity) : object(capacity) {}
  weft::queue<void*> object;
};

weft_queue* weft_queue_create(size_t capacity) {
  return guarded_pointer([&] { return new weft_queue(capacity); });
}

void weft_queue_destroy(weft_queue* queue) { delete queue; }

int weft_queue_put(weft_queue* queue, void* item, int64_t timeout) {
  return guarded([&] {
    weft::queue<void*>& q = queue->object;
    if (timeout < 0)
      q.put(item);
    else if (!(timeout == 0 ? q.try_put(item) : q.put_for(item, std::chrono::nanoseconds(timeout))))
      return fail(ETIMEDOUT);
    return 0;
  });
}

int weft_queue_get(weft_queue* queue, void** item, int64_t timeout) {
  return guarded([&] {
    weft::queue<void*>& q = queue->object;
    std::optional<void*> got;
    if (timeout < 0)
      got = q.get();
    else
      got = timeout == 0 ? q.try_get() : q.get_for(std::chrono::nanoseconds(timeout));
    if (!got) return fail(ETIMEDOUT);
    if (item != nullptr) *item = *got;
    return 0;
  });
}

int weft_queue_close(weft_queue* queue) {
  return guarded([&] { queue->object.close(); });
}

size_t weft_queue_size(const weft_queue* queue) { return queue->object.size(); }
