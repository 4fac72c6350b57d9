// Many waiting coroutines of Boost.Asio (see many.hpp).
#include "many.hpp"

#include <boost/asio.hpp>

namespace {

namespace asio = boost::asio;

asio::awaitable<void> sleep_once(many::tally& t) {
  ++t.begun;
  asio::steady_timer timer(co_await asio::this_coro::executor, many::length());
  co_await timer.async_wait(asio::use_awaitable);
  ++t.over;
}

void coroutines(many::tally& t, long count, bool to_the_end) {
  static asio::io_context context{1};  // the hint of one thread leaves the locks out
  for (long i = 0; i < count; ++i) asio::co_spawn(context, sleep_once(t), asio::detached);
  if (to_the_end)
    context.run();
  else
    while (t.begun < count) context.poll();
}

}  // namespace

int main(int argc, char** argv) { return many::run(argc, argv, {{"coroutine", coroutines}}); }
