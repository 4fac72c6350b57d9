// What the process-wide tables of this layer forget when a hub ends. Ordinary C++.
#include "core/hub_state.hpp"
#include "io/futex_table.hpp"
#include "io/watchers.hpp"

namespace weft::io {
namespace {

void forget(detail::hub& h) noexcept {
  futex::forget_hub(h);
  watches_no_more(h);
}

[[gnu::constructor(103)]] void install() { core::on_hub_ended = forget; }

}  // namespace
}  // namespace weft::io
