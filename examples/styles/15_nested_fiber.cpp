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

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

static std::string load(const stage& s, const char* what, std::chrono::seconds takes) {
  sleep_for(takes);
  s.say("loaded %s", what);
  return what;
}

static std::string report(const stage& s) {
  s.say("report begins");
  const auto [orders, prices, stock] = weft::gather([&] { return load(s, "orders", 3s); }, [&] { return load(s, "prices", 1s); },
                                                    [&] { return load(s, "stock", 2s); });
  sleep_for(500ms);
  const std::string all = orders + ' ' + prices + ' ' + stock;
  return "3 parts, " + std::to_string(all.size()) + " letters";
}

int main() {
  stage s;
  auto reporting = weft::spawn(report, std::cref(s));
  const std::string text = reporting.get();
  s.say("report: %s", text.c_str());
}
