// A task group: fibers that begin and end together. When one fails, the others are cancelled, all are waited for, and the failure
// comes out where the group was run; nothing is left running behind.
//
// Prints:
//   sum of squares: 30
//   slow task: cancelled, cleaning up
//   the group failed: disk full
#include <chrono>
#include <iostream>
#include <stdexcept>

#include <weft/weft.hpp>

using namespace std::chrono_literals;

int main() {
  int sum = 0;
  weft::task_group squares;
  squares.run([&](weft::task_group& group) {
    for (int i = 1; i <= 4; ++i)
      group.spawn([&, i] {
        weft::this_fiber::sleep_for(1ms);
        sum += i * i;
      });
  });  // all four are over here
  std::cout << "sum of squares: " << sum << '\n';

  weft::task_group backup;
  try {
    backup.run([](weft::task_group& group) {
      group.spawn([] {
        try {
          weft::this_fiber::sleep_for(1h);
        } catch (const weft::cancelled&) {
          std::cout << "slow task: cancelled, cleaning up\n";
          throw;
        }
      });
      group.spawn([] {
        weft::this_fiber::sleep_for(5ms);
        throw std::runtime_error("disk full");
      });
    });
  } catch (const std::exception& e) {
    std::cout << "the group failed: " << e.what() << '\n';
  }
}
