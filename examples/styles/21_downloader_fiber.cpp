// The image downloader: names go through a bounded queue to 10 workers. 100 images, each takes half a second: 5 s instead of 50. The
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

int main() {
  stage s;
  site web(500ms);
  for (int i = 0; i < 100; ++i) web.pages["/image" + std::to_string(i)] = std::string(512, 'x');

  weft::queue<std::string> names(20);
  std::size_t images = 0, bytes = 0, most = 0;
  weft::task_group workers;
  workers.run([&] {
    for (int i = 0; i < 10; ++i)
      workers.spawn([&] {
        for (const std::string& name : names) {
          bytes += get(web.port(), name).size();
          ++images;
        }
      });
    s.say("10 workers wait");
    for (int i = 0; i < 100; ++i) {
      names.put("/image" + std::to_string(i));
      most = std::max(most, names.size());
    }
    s.say("all 100 names are in the queue or beyond");
    names.close();
  });
  s.say("%zu images, %zu bytes; the queue never held more than %zu", images, bytes, most);
}
