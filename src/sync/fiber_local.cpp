// The values of fiber_local variables: a short list per fiber, searched from its end, behind fiber_extra::locals.
//
// Keys are never used twice, so that a value can outlive its variable. A fiber has a handful of them: a scan of adjacent memory
// beats any index.
#include "weft/fiber_local.hpp"

#include <atomic>
#include <vector>

#include "core/hub_state.hpp"

namespace weft {
namespace {

struct local_value {
  std::uint64_t key;
  void* at;
  void (*destroy)(void*) noexcept;
};
using local_values = std::vector<local_value>;

std::atomic<std::uint64_t> next_key{1};

local_values* values_of(detail::fiber_base* f) noexcept {
  return f->extra != nullptr ? static_cast<local_values*>(f->extra->locals) : nullptr;
}

// In the fiber that ends. A destructor may look at other variables of the fiber, or give it new values: these go, too.
void destroy_all(void* locals) noexcept {
  detail::fiber_base* self = detail::current_fiber();
  auto* values = static_cast<local_values*>(locals);
  self->extra->locals = values;
  while (!values->empty()) {
    const local_value last = values->back();
    values->pop_back();
    last.destroy(last.at);
  }
  self->extra->locals = nullptr;
  delete values;
}

[[gnu::constructor(103)]] void install() { core::destroy_fiber_locals = destroy_all; }

}  // namespace

namespace detail {

std::uint64_t new_local_key() noexcept { return next_key.fetch_add(1, std::memory_order_relaxed); }

void* find_local(std::uint64_t key) noexcept {
  if (try_hub() == nullptr) return nullptr;
  const local_values* values = values_of(current_fiber());
  if (values == nullptr) return nullptr;
  for (auto v = values->rbegin(); v != values->rend(); ++v)
    if (v->key == key) return v->at;
  return nullptr;
}

void add_local(std::uint64_t key, void* value, void (*destroy)(void*) noexcept) {
  hub& h = current_hub();
  fiber_base* self = current_fiber();
  fiber_extra& extra = core::extra_of(self);
  if (extra.locals == nullptr) {
    // Nobody runs main's body, so main's values go with the hub's services, and what held them, too.
    if (self->is_main)
      hub_state::of(h).at_end.push_back([self] {
        if (values_of(self) != nullptr) destroy_all(self->extra->locals);
        if (fiber_extra* left = std::exchange(self->extra, nullptr)) left->free(left);
      });
    extra.locals = new local_values;
  }
  static_cast<local_values*>(extra.locals)->push_back({key, value, destroy});
}

void drop_local(std::uint64_t key) noexcept {
  if (try_hub() == nullptr) return;
  local_values* values = values_of(current_fiber());
  if (values == nullptr) return;
  for (auto v = values->begin(); v != values->end(); ++v)
    if (v->key == key) {
      const local_value found = *v;
      values->erase(v);
      found.destroy(found.at);
      return;
    }
}

}  // namespace detail
}  // namespace weft
