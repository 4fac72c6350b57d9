// The table for debuggers, used as they use it: by names alone, on this very process.
#include <doctest/doctest.h>

#include <coroutine>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>

#include "core/hub.hpp"
#include "inspect/debug_layout.hpp"
#include "weft/testing.hpp"
#include "weft/weft.hpp"

using namespace weft;
using namespace std::chrono_literals;

extern "C" const char weft_debug_layout[];

namespace {

const char* bytes_at(std::uint32_t offset) { return weft_debug_layout + offset; }
const inspect::layout_header& header = *reinterpret_cast<const inspect::layout_header*>(weft_debug_layout);

std::map<std::string, std::uint32_t> numbers() {
  std::map<std::string, std::uint32_t> all;
  for (std::uint32_t i = 0; i < header.number_count; ++i) {
    inspect::layout_number n;
    std::memcpy(&n, bytes_at(header.numbers_at + i * header.number_size), sizeof n);
    CHECK_MESSAGE(all.emplace(n.name, n.value).second, "twice: ", n.name);
  }
  return all;
}

std::map<std::string, const char*> roots() {
  std::map<std::string, const char*> all;
  for (std::uint32_t i = 0; i < header.root_count; ++i) {
    inspect::layout_root r;
    std::memcpy(&r, bytes_at(header.roots_at + i * header.root_size), sizeof r);
    all.emplace(r.name, static_cast<const char*>(r.address));
  }
  return all;
}

template <class T>
T at(const char* base, std::uint32_t offset) {
  T value;
  std::memcpy(&value, base + offset, sizeof value);
  return value;
}

using address = const char*;

// Every fiber of the only hub, as debug_layout.hpp has a reader find them.
std::vector<address> all_fibers() {
  auto n = numbers();
  const address hub = at<address>(roots().at("hubs"), 0);
  const address current = at<address>(at<address>(hub, n["hub.block"]), n["carrier.current"]);
  std::vector<address> found;
  const auto unlisted = [&](address f) { return (at<std::uint8_t>(f, n["fiber.flags"]) & n["fiber.flags:unlisted"]) != 0; };
  for (address f = hub + n["hub.main"]; f != nullptr; f = at<address>(f, n["fiber.all_next"])) found.push_back(f);
  for (address f = at<address>(hub, n["hub.ready_first"]); f != nullptr; f = at<address>(f, n["fiber.next"]))
    if (unlisted(f)) found.push_back(f);
  if (unlisted(current)) found.push_back(current);
  return found;
}

std::string name_of(address fiber) {
  auto n = numbers();
  const address extra = at<address>(fiber, n["fiber.extra"]);
  const address name = extra != nullptr ? at<address>(extra, n["extra.name"]) : nullptr;
  return name != nullptr ? name : "";
}

address named(const std::string& name) {
  for (const address f : all_fibers())
    if (name_of(f) == name) return f;
  return nullptr;
}

task<> inner() { co_await async::sleep_for(1h); }
task<> outer() { co_await inner(); }

}  // namespace

TEST_CASE("the table names itself, its version and where its parts begin") {
  CHECK(std::memcmp(header.magic, inspect::layout_magic, sizeof header.magic) == 0);
  CHECK(header.version == inspect::layout_version);
  CHECK(header.header_size == sizeof(inspect::layout_header));
  CHECK(numbers().size() == header.number_count);
  CHECK(roots().size() == header.root_count);
  for (const auto& root : roots()) CHECK_MESSAGE(root.second != nullptr, root.first);
}

TEST_CASE("fibers of every state are found from the root, with what they wait for") {
  auto n = numbers();
  auto sleeper = spawn({.name = "sleeper"}, [] { this_fiber::sleep_for(1h); });
  auto joiner = spawn({.name = "joiner"}, [&] { sleeper.join(); });
  this_fiber::yield();
  auto fresh = spawn({.name = "fresh"}, [] {});
  CHECK(all_fibers().size() == 4);

  const address main = all_fibers().front();
  CHECK(at<std::uint8_t>(main, n["fiber.state"]) == n["fiber.state:running"]);
  const std::uint32_t all_kinds = n["fiber.flags:unlisted"] | n["fiber.flags:in_task"] | n["fiber.flags:is_main"] |
                                  n["fiber.flags:service"] | n["fiber.flags:own_thread"] | n["fiber.flags:green"];
  CHECK((at<std::uint8_t>(main, n["fiber.flags"]) & all_kinds) == n["fiber.flags:is_main"]);

  const address asleep = named("sleeper");
  REQUIRE(asleep != nullptr);
  CHECK(at<std::uint8_t>(asleep, n["fiber.state"]) == n["fiber.state:parked"]);
  const address wait = at<address>(asleep, n["fiber.parked"]);
  REQUIRE(wait != nullptr);
  CHECK(at<address>(wait, n["waiter.fiber"]) == asleep);
  CHECK(at<address>(wait, n["waiter.reason"]) == std::string("sleep"));
  CHECK(at<std::uint8_t>(wait, n["waiter.result"]) == n["waiter.result:pending"]);
  CHECK(at<std::uint32_t>(wait, n["waiter.timer.position"]) != 0);
  CHECK(at<std::uint64_t>(wait, n["waiter.timer.deadline"]) >= at<std::uint64_t>(wait, n["waiter.since"]) + 3'600'000'000'000);

  const address joins = named("joiner");
  REQUIRE(joins != nullptr);
  CHECK(at<address>(asleep, n["fiber.completion"] + n["wait_node.next"]) == at<address>(joins, n["fiber.parked"]));

  const address unborn = named("fresh");
  REQUIRE(unborn != nullptr);
  CHECK(at<std::uint8_t>(unborn, n["fiber.state"]) == n["fiber.state:created"]);
  CHECK((at<std::uint8_t>(unborn, n["fiber.flags"]) & n["fiber.flags:unlisted"]) != 0);
  CHECK(at<address>(unborn, n["fiber.context"]) == nullptr);

  sleeper.cancel();
  joiner.join();
  fresh.join();
}

TEST_CASE("a suspended fiber's saved context lies on its stack") {
  auto n = numbers();
  auto f = spawn({.name = "suspended"}, [] { this_fiber::sleep_for(1h); });
  this_fiber::yield();
  const address at_rest = named("suspended");
  REQUIRE(at_rest != nullptr);
  const address context = at<address>(at_rest, n["fiber.context"]);
  const address frame = at<address>(context, n["suspended.frame_pointer"]);
  CHECK(context + n["suspended:size"] <= frame);
  CHECK(at<address>(context, n["suspended.resume_at"]) != nullptr);
  const auto base = at<std::uintptr_t>(at<address>(at_rest, n["fiber.stk"]), n["stack.base"]) & ~std::uintptr_t{7};
  const auto size = std::uintptr_t{1} << at<std::uint8_t>(at_rest, n["fiber.stack_log2"]);
  CHECK(reinterpret_cast<std::uintptr_t>(context) - base < size);
  f.cancel();
  f.join();
}

TEST_CASE("who waits for a descriptor is found from the table of descriptors") {
  auto n = numbers();
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  auto reader = spawn({.name = "reader"}, [&] {
    char c;
    return weft::read(ends[0], &c, 1);
  });
  testing::wait_all_blocked();
  const address waits = at<address>(named("reader"), n["fiber.parked"]);
  const address hub = at<address>(roots().at("hubs"), 0);
  const auto fd = static_cast<unsigned>(ends[0]), per_page = n["fd_table:page_entries"];
  REQUIRE(fd / per_page < at<unsigned>(hub, n["hub.fds.page_count"]));
  const address page = at<address>(at<address>(hub, n["hub.fds.pages"]), fd / per_page * 8);
  const address entry = page + fd % per_page * n["fd_entry:size"];
  const address node = at<address>(entry, n["fd_entry.waiters"] + n["wait_node.next"]);
  REQUIRE(node != nullptr);
  CHECK(at<address>(node, n["fd_node.target"]) == waits);
  CHECK((at<std::uint32_t>(node, n["fd_node.events"]) & 1) != 0);
  CHECK(::write(ends[1], "x", 1) == 1);
  CHECK(reader.get() == 1);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("the coroutines of a task are found from its leaf outwards") {
  auto n = numbers();
  auto f = spawn(outer());
  this_fiber::yield();
  address found = nullptr;
  for (const address each : all_fibers())
    if ((at<std::uint8_t>(each, n["fiber.flags"]) & n["fiber.flags:in_task"]) != 0) found = each;
  REQUIRE(found != nullptr);
  const address frame = at<address>(at<address>(found, n["fiber.leaf"]), n["suspension.frame"]);
  const address promise = frame + n["promise:at"];
  CHECK(at<address>(promise, n["promise.function"]) == std::string("inner"));
  CHECK(at<std::uint32_t>(promise, n["promise.line"]) != 0);
  const address parent = at<address>(promise, n["promise.parent"]);
  REQUIRE(parent != nullptr);
  CHECK(at<address>(parent, n["promise.function"]) == std::string("outer"));
  CHECK(at<address>(parent, n["promise.parent"]) == nullptr);
  CHECK(std::coroutine_handle<>::from_address(const_cast<char*>(frame)).done() == false);
  f.cancel();
  f.join();
}
