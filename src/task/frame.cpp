// The pool of coroutine frames. Free lists by size, one set a thread; a frame may be given back on any thread, and joins the lists there.
//
// Memory is carved from chunks that the process keeps. What a thread has at its end goes to the reserve, from which threads that run
// short are served.
#include "weft/task/frame.hpp"

#include <array>
#include <mutex>
#include <new>
#include <utility>

namespace weft::task_layer {
namespace {

constexpr std::size_t step = 16, largest = 2048, classes = largest / step + 1;
constexpr std::size_t first_chunk = 32 * 1024, most_chunk = 1024 * 1024;

struct free_frame {
  free_frame* next;
};
struct chunk {
  chunk* next;
  std::size_t bytes;
};
static_assert(sizeof(chunk) == 16);

struct pool {
  std::array<free_frame*, classes> free{};
  char* at = nullptr;  // what is left of a chunk
  char* end = nullptr;
  std::size_t next_chunk = first_chunk;
};

// Of the process. Chunks stay in a list so that leak checkers see them.
struct reserve {
  std::mutex lock;
  pool left;  // by threads that have ended
  chunk* chunks = nullptr;
};

// Never destroyed: frames are given back by destructors of other statics.
reserve& all() {
  alignas(reserve) static char place[sizeof(reserve)];
  static reserve* const r = ::new (place) reserve;
  return *r;
}

// Initial-exec: one load, no call. The library is loaded with the program, or takes 8 bytes of what the loader keeps in reserve.
__attribute__((tls_model("initial-exec"))) thread_local pool* mine = nullptr;

void give(pool& to, free_frame* f, std::size_t index) noexcept { f->next = std::exchange(to.free[index], f); }

bool has_room(const pool& p, std::size_t size) noexcept { return static_cast<std::size_t>(p.end - p.at) >= size; }

void* refill(pool& p, std::size_t index) {
  const std::size_t size = index * step;
  if (!has_room(p, size)) {
    reserve& r = all();
    const std::lock_guard guard(r.lock);
    if (free_frame* got = std::exchange(r.left.free[index], nullptr)) {
      p.free[index] = got->next;
      return got;
    }
    if (has_room(r.left, size)) {
      std::swap(p.at, r.left.at);
      std::swap(p.end, r.left.end);
    } else {
      auto* c = static_cast<chunk*>(::operator new(p.next_chunk));
      c->next = std::exchange(r.chunks, c);
      c->bytes = p.next_chunk;
      p.at = reinterpret_cast<char*>(c + 1);
      p.end = reinterpret_cast<char*>(c) + c->bytes;
      if (p.next_chunk < most_chunk) p.next_chunk *= 2;
    }
  }
  return std::exchange(p.at, p.at + size);
}

// Hands a thread's frames to the reserve.
struct thread_end {
  pool lists;
  ~thread_end() {
    mine = nullptr;
    reserve& r = all();
    const std::lock_guard guard(r.lock);
    for (std::size_t i = 0; i < classes; ++i)
      while (free_frame* f = lists.free[i]) {
        lists.free[i] = f->next;
        give(r.left, f, i);
      }
    if (r.left.end - r.left.at < lists.end - lists.at) {
      r.left.at = lists.at;
      r.left.end = lists.end;
    }
  }
};
thread_local thread_end at_thread_end;
thread_local bool opened = false;

// The thread's pool at its first use; null when that has ended already.
pool* open() {
  if (std::exchange(opened, true)) return mine;
  return mine = &at_thread_end.lists;
}

[[gnu::noinline, maybe_unused]] void* alloc_slowly(std::size_t index) {
  if (pool* p = open()) return refill(*p, index);
  pool brief;
  brief.next_chunk = index * step + sizeof(chunk);
  return refill(brief, index);
}

[[gnu::noinline, maybe_unused]] void free_slowly(free_frame* f, std::size_t index) {
  if (pool* p = open()) return give(*p, f, index);
  reserve& r = all();
  const std::lock_guard guard(r.lock);
  give(r.left, f, index);
}

}  // namespace
}  // namespace weft::task_layer

namespace weft::detail {

// The address sanitizer is to see each frame come and go.
#if defined(__SANITIZE_ADDRESS__)

void* frame_alloc(std::size_t size) { return ::operator new(size); }
void frame_free(void* frame, std::size_t) noexcept { ::operator delete(frame); }

#else

using namespace task_layer;

void* frame_alloc(std::size_t size) {
  const std::size_t index = (size + step - 1) / step;
  if (index >= classes) return ::operator new(size);
  if (pool* p = mine; p != nullptr) [[likely]] {
    if (free_frame* f = p->free[index]) [[likely]] {
      p->free[index] = f->next;
      return f;
    }
  }
  return alloc_slowly(index);
}

void frame_free(void* frame, std::size_t size) noexcept {
  const std::size_t index = (size + step - 1) / step;
  if (index >= classes) return ::operator delete(frame);
  auto* f = static_cast<free_frame*>(frame);
  if (mine != nullptr) [[likely]]
    give(*mine, f, index);
  else
    free_slowly(f, index);
}

#endif

}  // namespace weft::detail
