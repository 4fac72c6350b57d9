// A program that knows nothing of Weft, with the shim preloaded: without fibers it behaves exactly as without the shim.
#include <doctest/doctest.h>

#include <cstdlib>
#include <thread>

#include "child.hpp"
#include "scenes_others.hpp"
#include "scenes_sockets.hpp"

namespace weft_test {

void (*run_all)(std::vector<std::function<void()>>) = [](std::vector<std::function<void()>> parts) {
  std::vector<std::thread> threads;
  for (auto& p : parts) threads.emplace_back(std::move(p));
  for (auto& t : threads) t.join();
};

}  // namespace weft_test

using namespace weft_test;

TEST_CASE("all scenes by threads" * doctest::skip()) {
  ::alarm(50);
  for (const scene& s : scenes::sockets) s.run();
  for (const scene& s : scenes::others) s.run();
}

TEST_CASE("a program of threads says the same with the shim as without") {
  REQUIRE(std::getenv("LD_PRELOAD") != nullptr);
  const child_result without = run_self("all scenes by threads", {"LD_PRELOAD"});
  CHECK(without.err == "");
  CHECK(without.exit_code == 0);
  for (const char* door : {"WEFT_DOOR=sites", "WEFT_DOOR=symbols", "WEFT_DOOR=auto"}) {
    CAPTURE(door);
    const child_result with = run_self("all scenes by threads", {"WEFT_DEBUG=1", door});
    const bool by_symbols = with.err.find("names interposed before libc, no system call sites patched") != std::string::npos;
    CHECK(by_symbols == (std::string(door) == "WEFT_DOOR=symbols"));
    CHECK((with.err.find("system call sites patched in") != std::string::npos) == !by_symbols);
    CHECK(with.exit_code == 0);
    CHECK(with.out == without.out);
  }
}

TEST_CASE("shells, pipelines and their children run under the shim") {
  const std::string script =
      "printf 'b\\na\\n' | sort | tr a-z A-Z; (sleep 0.01; exit 3); echo $?; seq 1000 | wc -l; exec 5>&1; echo five >&5";
  const child_result without = run_program({"/bin/sh", "-c", script}, {"LD_PRELOAD"});
  for (const char* door : {"WEFT_DOOR=sites", "WEFT_DOOR=symbols"}) {
    CAPTURE(door);
    const child_result with = run_program({"/bin/sh", "-c", script}, {door});
    CHECK(with.exit_code == 0);
    CHECK(with.out == "A\nB\n3\n1000\nfive\n");
    CHECK(with.out == without.out);
    CHECK(with.err == without.err);
  }
}
