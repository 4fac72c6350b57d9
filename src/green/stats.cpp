#include "green/stats.hpp"

#include "green/thread.hpp"
#include "sys/features.hpp"
#include "sys/report.hpp"

namespace weft::green {

void report_stats() noexcept {
  const char* asked = sys::env("WEFT_STATS");
  if (asked == nullptr || *asked == 0 || *asked == '0') return;
  const core::counters none{};
  const core::counters& c = home != nullptr ? home->stats : none;
  sys::report() << "green threads created=" << stats.created << " most_at_once=" << stats.most << " carriers=" << (home != nullptr ? 1 : 0)
                << " switches=" << c.parks + c.other_switches << " parks=" << c.parks << " preemptions=" << stats.preemptions
                << " missed_ticks=" << stats.missed_ticks << "\n";
}

}  // namespace weft::green
