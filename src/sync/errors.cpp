// The throwing ends of the sync primitives' inline code, kept out of line so that the code around them stays small.
#include <future>

#include "weft/async_result.hpp"
#include "weft/detail/sync.hpp"

namespace weft::detail {

void throw_wrong_hub(const char* what) { throw wrong_hub(what); }
void throw_not_owner(const char* what) { throw not_owner(what); }
void throw_already_set() { throw std::future_error(std::future_errc::promise_already_satisfied); }
void throw_result_taken() { throw result_taken(); }

}  // namespace weft::detail
