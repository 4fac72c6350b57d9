// Robust mutexes of a thread that ends.
#include "green/end.hpp"

namespace weft::green {

void walk_robust_list(thread&) noexcept {}

}  // namespace weft::green
