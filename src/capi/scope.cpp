// weft.h: timeouts and shields, cancel scopes in the caller's memory.
#include <new>

#include "capi/guard.hpp"
#include "weft/weft.h"

namespace weft::capi {
namespace {

static_assert(sizeof(detail::scope) <= sizeof(weft_scope) && alignof(detail::scope) <= alignof(weft_scope));

detail::scope& inside(weft_scope* s) noexcept { return *std::launder(reinterpret_cast<detail::scope*>(s->opaque)); }

int begin(weft_scope* s, std::int64_t timeout, bool shielded) {
  if (s == nullptr) return fail(EINVAL);
  return guarded([&] {
    detail::hub& h = detail::current_hub();
    auto* fresh = new (s->opaque) detail::scope;
    fresh->shielded = shielded;
    detail::scope_enter(h, *fresh, deadline_of(h, timeout));
  });
}

// True in `own` when the scope was cancelled, and nothing outside it is.
int end(weft_scope* s, bool& own) noexcept {
  detail::hub* h = detail::try_hub();
  if (s == nullptr || h == nullptr || detail::current_fiber()->innermost != &inside(s)) return fail(EINVAL);
  own = detail::scope_exit(*h, inside(s));
  return 0;
}

}  // namespace
}  // namespace weft::capi

using namespace weft;
using namespace weft::capi;

int weft_timeout_begin(weft_scope* scope, int64_t timeout) { return begin(scope, timeout, false); }

int weft_timeout_cancel(weft_scope* scope) {
  if (scope == nullptr) return fail(EINVAL);
  detail::scope& s = inside(scope);
  if (s.fiber == nullptr) return fail(EINVAL);
  if (!detail::on_hub(s.fiber->home)) return fail(EPERM);
  detail::scope_cancel(s);
  return 0;
}

int weft_timeout_reset(weft_scope* scope, int64_t timeout) {
  if (scope == nullptr) return fail(EINVAL);
  detail::scope& s = inside(scope);
  if (s.fiber == nullptr) return fail(EINVAL);
  if (!detail::on_hub(s.fiber->home)) return fail(EPERM);
  detail::scope_deadline(s, deadline_of(*s.fiber->home, timeout));
  return 0;
}

int weft_timeout_end(weft_scope* scope) {
  bool own = false;
  if (end(scope, own) != 0) return -1;
  return own ? fail(ETIMEDOUT) : 0;
}

int weft_shield_begin(weft_scope* scope) { return begin(scope, WEFT_FOREVER, true); }

int weft_shield_end(weft_scope* scope) {
  bool own = false;
  return end(scope, own);
}
