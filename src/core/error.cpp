// The destructors that anchor each error type's vtable and type information in libweft.so: thrown here, caught in the program.
#include "weft/error.hpp"

namespace weft {

error::~error() = default;
timeout_error::~timeout_error() = default;
fiber_cancelled::~fiber_cancelled() = default;
deadlock::~deadlock() = default;
would_block_hub::~would_block_hub() = default;
wrong_hub::~wrong_hub() = default;
out_of_stacks::~out_of_stacks() = default;
result_taken::~result_taken() = default;
self_join::~self_join() = default;
no_fiber::~no_fiber() = default;
queue_closed::~queue_closed() = default;
not_owner::~not_owner() = default;
not_started::~not_started() = default;
hub_closed::~hub_closed() = default;

}  // namespace weft
