// Chains: the second part of each works on what the first part gave. Three chains at once, each at its own pace.
//
// Prints:
//    0.3 s  part1(3) is done
//    0.6 s  part1(6) is done
//    0.9 s  part1(9) is done
//    1.0 s  part2(3, result3-1) is done
//    1.0 s  chained 3: result3-2 of result3-1
//    1.0 s  part2(6, result6-1) is done
//    1.0 s  chained 6: result6-2 of result6-1
//    1.0 s  part2(9, result9-1) is done
//    1.0 s  chained 9: result9-2 of result9-1
#include "stage.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace async = weft::async;

static weft::task<std::string> part1(const stage& s, int n) {
  co_await async::sleep_for(n * 100ms);
  s.say("part1(%d) is done", n);
  co_return "result" + std::to_string(n) + "-1";
}

static weft::task<std::string> part2(const stage& s, int n, std::string from) {
  co_await async::sleep_for((10 - n) * 100ms);
  s.say("part2(%d, %s) is done", n, from.c_str());
  co_return "result" + std::to_string(n) + "-2 of " + from;
}

static weft::task<> chain(const stage& s, int n) {
  const std::string first = co_await part1(s, n);
  const std::string second = co_await part2(s, n, first);
  s.say("chained %d: %s", n, second.c_str());
}

int main() {
  stage s;
  std::vector<weft::fiber<>> chains;
  for (const int n : {9, 6, 3}) chains.push_back(weft::spawn(chain(s, n)));
  weft::joinall(chains);
}
