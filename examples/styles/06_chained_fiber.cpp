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

static std::string part1(const stage& s, int n) {
  weft::this_fiber::sleep_for(n * 100ms);
  s.say("part1(%d) is done", n);
  return "result" + std::to_string(n) + "-1";
}

static std::string part2(const stage& s, int n, const std::string& from) {
  weft::this_fiber::sleep_for((10 - n) * 100ms);
  s.say("part2(%d, %s) is done", n, from.c_str());
  return "result" + std::to_string(n) + "-2 of " + from;
}

static void chain(const stage& s, int n) {
  const std::string first = part1(s, n);
  const std::string second = part2(s, n, first);
  s.say("chained %d: %s", n, second.c_str());
}

int main() {
  stage s;
  std::vector<weft::fiber<>> chains;
  for (const int n : {9, 6, 3}) chains.push_back(weft::spawn(chain, std::cref(s), n));
  weft::joinall(chains);
}
