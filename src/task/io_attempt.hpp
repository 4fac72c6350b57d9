// One attempt of an awaited call: the op of src/io, made for a coroutine, which is told what it would have to wait for instead of parking.
#pragma once

#include "core/hub.hpp"
#include "io/ended.hpp"
#include "weft/task/io.hpp"

namespace weft::detail {

// Makes the call; true when it is over, with an answer or an error, and false when it wants to wait.
template <class Call>
bool io_operation::settled(Call once) noexcept {
  core::refused_wait& refused = current_hub().tasks.refused;
  refused.what = core::refused_wait::none;
  answer_ = once();
  if (answer_ >= 0 && refused.what == core::refused_wait::none) [[likely]]
    return true;
  // A fiber that makes the call is refused nothing: what stands there is of others, who ran while it waited.
  if (by_fiber()) return true;
  if (refused.what != core::refused_wait::none) return false;
  return answer_ != io::ended_by(wake::impossible);
}

}  // namespace weft::detail
