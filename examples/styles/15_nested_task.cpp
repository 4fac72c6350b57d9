// Nested work: main awaits one task, which awaits several others. Every function on the way is a coroutine, and says co_await.
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
namespace async = weft::async;

static weft::task<std::string> load(const stage& s, const char* what, std::chrono::seconds takes) {
  co_await async::sleep_for(takes);
  s.say("loaded %s", what);
  co_return what;
}

static weft::task<std::string> report(const stage& s) {
  s.say("report begins");
  const auto [orders, prices, stock] = co_await async::gather(load(s, "orders", 3s), load(s, "prices", 1s), load(s, "stock", 2s));
  co_await async::sleep_for(500ms);
  const std::string all = orders + ' ' + prices + ' ' + stock;
  co_return "3 parts, " + std::to_string(all.size()) + " letters";
}

static weft::task<> program(const stage& s) {
  auto reporting = weft::spawn(report(s));
  const std::string text = co_await reporting;
  s.say("report: %s", text.c_str());
}

int main() {
  stage s;
  weft::await(program(s));
}
