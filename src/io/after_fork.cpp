// fork(2) as libc makes it: the child must not share the parent's poller, whose registrations belong to both. In a patched program the
// door's handler does the same for forks that no libc function makes. As in gevent, the other fibers of the thread go on in the child.
// Ordinary C++.
#include <pthread.h>

#include "core/hub_state.hpp"
#include "io/descriptors.hpp"
#include "sys/process_mark.hpp"
#include "sys/report.hpp"

namespace weft::io {
namespace {

void in_child() noexcept {
  core::release_registry_in_child();
  detail::hub* h = detail::try_hub();
  if (h == nullptr || !sys::first_renewal()) return;
  if (const long error = renew_poller(*h); error != 0)
    sys::report() << "a forked child got no poller of its own (error " << -error << "): its waits will not end.\n";
}

[[gnu::constructor(103)]] void install() {
  sys::this_process();  // in the parent: a mark that is made in the child says nothing
  pthread_atfork(core::hold_registry, core::release_registry, in_child);
}

}  // namespace
}  // namespace weft::io
