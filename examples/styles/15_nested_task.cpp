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
  auto orders = weft::spawn(load(s, "orders", 3s)), prices = weft::spawn(load(s, "prices", 1s)), stock = weft::spawn(load(s, "stock", 2s));
  std::string all = co_await orders;
  all += ' ' + co_await prices;
  all += ' ' + co_await stock;
  co_await async::sleep_for(500ms);
  co_return "3 parts, " + std::to_string(all.size()) + " letters";
}

static weft::task<> program(const stage& s) {
  const std::string text = co_await report(s);
  s.say("report: %s", text.c_str());
}

int main() {
  stage s;
  weft::await(program(s));
}
