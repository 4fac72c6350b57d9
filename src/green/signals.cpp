// Signals of green threads.
#include "green/thread.hpp"

namespace weft::green {

void start_signals(hub&) noexcept {}
void run_due(hub&, thread&, void*) noexcept {}
void inherit_signals(thread& child, const thread& parent) noexcept { child.signals.mask = parent.signals.mask; }
void forget_signals(thread&) noexcept {}

}  // namespace weft::green
