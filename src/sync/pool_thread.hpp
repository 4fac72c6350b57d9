// What a thread of a weft::thread_pool knows of itself. For the ordinary C++ files.
#pragma once

#include "weft/detail/runtime.hpp"

namespace weft::detail {

// The hub that waits for the job which the calling OS thread runs, and counts on it (hub::external); null elsewhere.
hub*& waits_for_job() noexcept;

}  // namespace weft::detail
