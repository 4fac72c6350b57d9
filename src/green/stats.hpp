// WEFT_STATS: what a run did, on standard error when the process ends.
#pragma once

namespace weft::green {

void report_stats() noexcept;

}  // namespace weft::green
