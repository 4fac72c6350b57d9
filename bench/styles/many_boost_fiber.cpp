// Many waiting fibers of Boost.Fiber, with stacks as large as those of Weft's beside it (see many.hpp).
#include "many.hpp"

#include <boost/fiber/all.hpp>

#include <memory>

namespace {

namespace bf = boost::fibers;

void fibers(many::tally& t, long count, bool to_the_end) {
  static bf::fixedsize_stack stacks{64 * 1024};
  for (long i = 0; i < count; ++i)
    bf::fiber(bf::launch::post, std::allocator_arg, stacks, [&t] {
      ++t.begun;
      boost::this_fiber::sleep_for(many::length());
      ++t.over;
    }).detach();
  while ((to_the_end ? t.over : t.begun) < count) boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

int main(int argc, char** argv) { return many::run(argc, argv, {{"fiber", fibers}}); }
