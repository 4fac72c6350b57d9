// Many waiting fibers, tasks and greenlets (see many.hpp). Fibers have the smaller stacks that a million asks for.
#include "many.hpp"

#include <weft/weft.hpp>

namespace {

using many::tally;

constexpr std::size_t stack_size = 64 * 1024;

void wait_for(const long& number, long target) {
  while (number < target) weft::this_fiber::sleep_for(std::chrono::milliseconds(1));
}

void fibers(tally& t, long count, bool to_the_end) {
  for (long i = 0; i < count; ++i)
    weft::spawn(weft::spawn_options{.stack_size = stack_size}, [&t] {
      ++t.begun;
      weft::this_fiber::sleep_for(many::length());
      ++t.over;
    });
  wait_for(to_the_end ? t.over : t.begun, count);
}

weft::task<> sleep_once(tally& t) {
  ++t.begun;
  co_await weft::async::sleep_for(many::length());
  ++t.over;
}

void tasks(tally& t, long count, bool to_the_end) {
  for (long i = 0; i < count; ++i) weft::spawn(sleep_once(t));
  wait_for(to_the_end ? t.over : t.begun, count);
}

// A greenlet knows no timers; what one keeps while it is suspended.
void greenlets(tally& t, long count, bool) {
  static weft::greenlet* all;
  all = new weft::greenlet[static_cast<std::size_t>(count)];
  for (long i = 0; i < count; ++i) {
    all[i] = weft::greenlet([&t, root = weft::greenlet::current()] {
      ++t.begun;
      root.switch_to();
    });
    all[i].switch_to();
  }
}

}  // namespace

int main(int argc, char** argv) { return many::run(argc, argv, {{"fiber", fibers}, {"task", tasks}, {"greenlet", greenlets}}); }
