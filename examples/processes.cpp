// Child processes side by side: one that answers line by line, one that sorts its input, one that takes too long.
//
// Prints:
//   shell: 6*7 is 42
//   sort: apple banana cherry
//   sleep: still running, so it was ended by signal 15 (Terminated)
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>

#include <weft/weft.hpp>

using namespace std::chrono_literals;
using weft::redirect;

static std::string calculate(const std::string& what) {
  weft::process shell({"sh", "-c", "while read line; do echo $(($line)); done"}, {.in = redirect::pipe(), .out = redirect::pipe()});
  shell.in().write_all(what + "\n");
  return *shell.out().read_line();
}

static std::string sorted(const std::string& words) {
  std::string out = weft::run_process({"sort"}, words).out;
  std::replace(out.begin(), out.end(), '\n', ' ');
  out.pop_back();
  return out;
}

static std::string too_slow() {
  weft::process p({"sleep", "100"});
  if (auto status = p.wait_for(50ms)) return status->to_string();
  p.terminate();
  return "still running, so it was ended by " + p.wait().to_string();
}

int main() {
  auto answer = weft::spawn(calculate, "6*7");
  auto words = weft::spawn(sorted, "cherry\napple\nbanana\n");
  auto slow = weft::spawn(too_slow);
  std::cout << "shell: 6*7 is " << answer.get() << '\n';
  std::cout << "sort: " << words.get() << '\n';
  std::cout << "sleep: " << slow.get() << '\n';
}
