// The image downloader: names go through a bounded queue to 10 worker tasks. 100 images, each takes half a second: 5 s instead of 50. The
// queue holds 20 names, so whoever lists the images never runs far ahead.
//
// Prints:
//    0.0 s  10 workers wait
//    3.5 s  all 100 names are in the queue or beyond
//    5.0 s  100 images, 51200 bytes; the queue never held more than 20
#include "site.hpp"
#include "stage.hpp"

#include <algorithm>
#include <string>

using namespace std::chrono_literals;
namespace async = weft::async;

struct totals {
  std::size_t images = 0, bytes = 0, most = 0;
};

static weft::task<> worker(std::uint16_t port, weft::queue<std::string>& names, totals& t) {
  while (auto name = co_await async::next(names)) {
    const std::string image = co_await async_get(port, *name);
    t.bytes += image.size();
    ++t.images;
  }
}

static weft::task<> program(const stage& s, std::uint16_t port) {
  weft::queue<std::string> names(20);
  totals t;
  co_await async::with_group([&](weft::task_group& workers) -> weft::task<> {
    for (int i = 0; i < 10; ++i) workers.spawn([&] { return worker(port, names, t); });
    s.say("10 workers wait");
    for (int i = 0; i < 100; ++i) {
      co_await async::put(names, "/image" + std::to_string(i));
      t.most = std::max(t.most, names.size());
    }
    s.say("all 100 names are in the queue or beyond");
    names.close();
  });
  s.say("%zu images, %zu bytes; the queue never held more than %zu", t.images, t.bytes, t.most);
}

int main() {
  stage s;
  site web(500ms);
  for (int i = 0; i < 100; ++i) web.pages["/image" + std::to_string(i)] = std::string(512, 'x');
  weft::await(program(s, web.port()));
}
