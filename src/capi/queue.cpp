// weft.h: queues of pointers, oldest, newest or smallest first.
#include <variant>

#include "capi/guard.hpp"
#include "weft/queue.hpp"
#include "weft/weft.h"

using namespace weft::capi;

namespace {

// An item of a sorted queue, with the order of that queue.
struct sorted_item {
  void* item;
  int (*compare)(const void*, const void*);
  friend bool operator<(const sorted_item& a, const sorted_item& b) { return a.compare(a.item, b.item) < 0; }
};

using oldest_first = weft::queue<void*>;
using newest_first = weft::lifo_queue<void*>;
using smallest_first = weft::priority_queue<sorted_item>;

}  // namespace

struct weft_queue {
  template <class Q>
  weft_queue(std::in_place_type_t<Q> kind, std::size_t capacity, int (*order)(const void*, const void*) = nullptr)
      : object(kind, capacity), compare(order) {}

  template <class F>
  auto visit(F fn) {
    return std::visit(fn, object);
  }

  std::variant<oldest_first, newest_first, smallest_first> object;
  int (*compare)(const void*, const void*);
};

namespace {

void* pointer(void* item) { return item; }
void* pointer(const sorted_item& item) { return item.item; }

template <class Q>
auto made(const Q&, const weft_queue& of, void* item) {
  if constexpr (std::is_same_v<Q, smallest_first>)
    return sorted_item{item, of.compare};
  else
    return item;
}

}  // namespace

weft_queue* weft_queue_create(size_t capacity) {
  return guarded_pointer([&] { return new weft_queue(std::in_place_type<oldest_first>, capacity); });
}

weft_queue* weft_queue_create_lifo(size_t capacity) {
  return guarded_pointer([&] { return new weft_queue(std::in_place_type<newest_first>, capacity); });
}

weft_queue* weft_queue_create_sorted(size_t capacity, int (*compare)(const void*, const void*)) {
  if (compare == nullptr) {
    errno = EINVAL;
    return nullptr;
  }
  return guarded_pointer([&] { return new weft_queue(std::in_place_type<smallest_first>, capacity, compare); });
}

void weft_queue_destroy(weft_queue* queue) { delete queue; }

int weft_queue_put(weft_queue* queue, void* item, int64_t timeout) {
  return guarded([&] {
    return queue->visit([&](auto& q) {
      auto one = made(q, *queue, item);
      return timed(timeout, [&] { q.put(one); }, [&] { return q.try_put(one); }, [&](auto d) { return q.put_for(one, d); });
    });
  });
}

int weft_queue_get(weft_queue* queue, void** item, int64_t timeout) {
  return guarded([&] {
    return queue->visit([&](auto& q) {
      std::optional<typename std::remove_reference_t<decltype(q)>::value_type> got;
      if (timeout < 0)
        got = q.get();
      else
        got = timeout == 0 ? q.try_get() : q.get_for(std::chrono::nanoseconds(timeout));
      if (!got) return fail(ETIMEDOUT);
      if (item != nullptr) *item = pointer(*got);
      return 0;
    });
  });
}

int weft_queue_task_done(weft_queue* queue) {
  return guarded([&] { queue->visit([](auto& q) { q.task_done(); }); });
}

int weft_queue_join(weft_queue* queue, int64_t timeout) {
  return queue->visit([&](auto& q) { return timed(timeout, [&] { q.join(); }, [&](auto d) { return q.join_for(d); }); });
}

int weft_queue_close(weft_queue* queue) {
  return guarded([&] { queue->visit([](auto& q) { q.close(); }); });
}

size_t weft_queue_size(const weft_queue* queue) {
  return std::visit([](const auto& q) { return q.size(); }, queue->object);
}
