// Nested work: main waits for one fiber, which waits for several others. Fibers need no colour: `report` is a plain function, and the
// loop in it waits wherever it likes.
//
// Prints:
//    0.0 s  report begins
//    1.0 s  loaded prices
//    2.0 s  loaded stock
//    3.0 s  loaded orders
//    3.5 s  report: 3 parts, 19 letters
#include "stage.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

static stage* s;

static std::string load(const char* what, std::chrono::seconds takes) {
  sleep_for(takes);
  s->say("loaded %s", what);
  return what;
}

static std::string report() {
  s->say("report begins");
  const auto [a, b, c] = weft::gather([] { return load("orders", 3s); }, [] { return load("prices", 1s); },
                                      [] { return load("stock", 2s); });
  sleep_for(500ms);
  std::string all = a + ' ' + b + ' ' + c;
  return "3 parts, " + std::to_string(all.size()) + " letters";
}

int main() {
  stage here;
  s = &here;
  auto reporting = weft::spawn(report);
  const std::string text = reporting.get();
  s->say("report: %s", text.c_str());
}
