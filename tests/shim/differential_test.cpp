// The same blocking code as OS threads natively and as fibers of one thread through both doors: equal words, equal errnos.
#include <doctest/doctest.h>

#include <cstdlib>
#include <thread>

#include "child.hpp"
#include "scenes_others.hpp"
#include "scenes_sockets.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"

namespace weft_test {

void (*run_all)(std::vector<std::function<void()>>) = nullptr;

namespace {

void as_threads(std::vector<std::function<void()>> parts) {
  std::vector<std::thread> threads;
  for (auto& p : parts) threads.emplace_back(std::move(p));
  for (auto& t : threads) t.join();
}

void as_fibers(std::vector<std::function<void()>> parts) {
  std::vector<weft::fiber<>> fibers;
  for (auto& p : parts) fibers.push_back(weft::spawn(std::move(p)));
  weft::joinall(fibers);
}

std::vector<scene> all_scenes() {
  std::vector<scene> all(std::begin(scenes::sockets), std::end(scenes::sockets));
  all.insert(all.end(), std::begin(scenes::others), std::end(scenes::others));
  return all;
}

const scene& wanted_scene(const std::vector<scene>& all) {
  const char* name = std::getenv("WEFT_SCENE");
  for (const scene& s : all)
    if (name != nullptr && std::string(name) == s.name) return s;
  throw std::runtime_error("WEFT_SCENE names no scene");
}

// What the scene printed, between its marks.
std::string words(const child_result& r) {
  const auto from = r.out.find("<<<\n"), to = r.out.find(">>>\n");
  if (r.exit_code != 0 || from == std::string::npos || to == std::string::npos)
    return "failed (exit " + std::to_string(r.exit_code) + ", signal " + std::to_string(r.signal) + ")\n" + r.out + r.err;
  return r.out.substr(from + 4, to - from - 4);
}

void perform(const scene& s) {
  ::alarm(12);  // a scene that hangs dies, and the comparison says which it was
  std::printf("<<<\n");
  s.run();
  std::printf(">>>\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace weft_test

using namespace weft_test;

TEST_CASE("a scene by threads" * doctest::skip()) {
  run_all = as_threads;
  const auto all = all_scenes();
  perform(wanted_scene(all));
}

TEST_CASE("a scene by fibers" * doctest::skip()) {
  run_all = as_fibers;
  const auto all = all_scenes();
  const scene& s = wanted_scene(all);
  weft::patch_all();
  const bool by_symbols = std::getenv("WEFT_DOOR") != nullptr && std::string(std::getenv("WEFT_DOOR")) == "symbols";
  REQUIRE((weft::patch_info().sites_patched > 0) == !by_symbols);
  REQUIRE((weft::patch_info().symbols > 0) == by_symbols);
  perform(s);
  // joinall itself parks main once.
  if (s.parks) REQUIRE(weft::this_hub().stats().parks > 1);
}

TEST_CASE("every scene says the same natively and in fibers, through both doors, with both pollers and without new kernel features") {
  const std::string shim = std::string("LD_PRELOAD=") + std::getenv("WEFT_SHIM");
  const std::string old_kernel = "WEFT_WITHOUT=guard,pwait2,nowait,uring";
  const std::vector<std::vector<std::string>> by_sites{{"WEFT_POLLER=epoll"}, {"WEFT_POLLER=select"}, {old_kernel}};
  const std::vector<std::vector<std::string>> by_symbols{
      {"WEFT_DOOR=symbols", shim, "WEFT_POLLER=epoll"},
      {"WEFT_DOOR=symbols", shim, "WEFT_POLLER=select"},
      {"WEFT_DOOR=symbols", shim, old_kernel}};
  for (const scene& s : all_scenes()) {
    CAPTURE(s.name);
    const std::string name = std::string("WEFT_SCENE=") + s.name;
    const std::string natively = words(run_self("a scene by threads", {name}));
    CHECK(natively.substr(0, 8) == "-- actor");
    auto variants = by_sites;
    if (!s.inside_libc) variants.insert(variants.end(), by_symbols.begin(), by_symbols.end());
    for (auto& settings : variants) {
      CAPTURE(settings.front());
      CAPTURE(settings.back());
      settings.push_back(name);
      CHECK(words(run_self("a scene by fibers", settings)) == natively);
    }
  }
}
