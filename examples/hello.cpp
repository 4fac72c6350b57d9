// The first program: three fibers that sleep at the same time, and main, which is a fiber too, waits for them.
//
// Prints:
//   b slept
//   c slept
//   a slept
//   lengths: 5 3 4
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include <weft/weft.hpp>

using namespace std::chrono_literals;

static std::size_t greet(std::string name, std::chrono::milliseconds how_long) {
  weft::this_fiber::sleep_for(how_long);
  std::cout << name[0] << " slept\n";
  return name.size();
}

int main() {
  std::vector<weft::fiber<std::size_t>> fibers;
  fibers.push_back(weft::spawn(greet, "alice", 60ms));
  fibers.push_back(weft::spawn(greet, "bob", 20ms));
  fibers.push_back(weft::spawn(greet, "carl", 40ms));
  weft::joinall(fibers);

  std::cout << "lengths:";
  for (auto& f : fibers) std::cout << ' ' << f.get();
  std::cout << '\n';
}
