// Weft under faults of the kernel (injector.hpp), each seed a different run of the same workloads (workloads.hpp), on hubs that come and
// go. Every seed must end (no lost wake-up), every byte must arrive, and nothing may be left: no fiber, stack, timer or descriptor.
//
// WEFT_FAULT_SEEDS=n runs n seeds instead of 200; WEFT_FAULT_SEED=n repeats one.
#include <doctest/doctest.h>

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/timer_queue.hpp"
#include "crew.hpp"
#include "injector.hpp"
#include "weft/weft.hpp"
#include "workloads.hpp"

using namespace weft_test;

namespace {

unsigned long long seed_in_work = 0;
std::atomic<pid_t> thread_in_work{0};

// A run that does not end has lost a wake-up: say whose.
void too_late(int) {
  end_faults();
  if (thread_in_work != ::gettid()) {
    ::tgkill(::getpid(), thread_in_work, SIGALRM);
    return;
  }
  std::fflush(stdout);  // a check that failed before
  std::fprintf(stderr, "seed %llu does not end:\n%s", seed_in_work, weft::run_info().c_str());
  std::_Exit(1);
}

int open_descriptors() {
  int n = 0;
  DIR* d = ::opendir("/proc/self/fd");
  while (::readdir(d) != nullptr) ++n;
  ::closedir(d);
  return n;
}

std::string descriptors_text() {
  std::string text;
  DIR* d = ::opendir("/proc/self/fd");
  while (const dirent* e = ::readdir(d)) {
    char target[200] = {};
    if (::readlink(("/proc/self/fd/" + std::string(e->d_name)).c_str(), target, sizeof target - 1) > 0)
      text += std::string(e->d_name) + " -> " + target + "\n";
  }
  ::closedir(d);
  return text;
}

void play(unsigned seed) {
  thread_in_work = ::gettid();
  play_all(seed);
}

// On the calling thread's hub.
void run_and_count(unsigned seed, std::uint32_t one_in, std::uint32_t kinds) {
  const auto before = weft::this_hub().stats();
  begin_faults(seed, one_in, kinds);
  play(seed);
  end_faults();
  const auto after = weft::this_hub().stats();
  CHECK(after.fibers == before.fibers);
  CHECK(after.timers == before.timers);
  CHECK(after.stacks == before.stacks);
}

// On a hub of its own, which may fail to come up, but then cleanly.
void run_on_new_hub(unsigned seed, std::uint32_t one_in, std::uint32_t kinds) {
  std::thread([=] {
    begin_faults(seed, one_in, kinds);
    for (;;) try {
        weft::hub::current();
        break;
      } catch (const std::system_error& e) {
        CHECK(passing(e.code().value()));
      }
    play(seed);
    const auto after = weft::this_hub().stats();
    CHECK(after.fibers == 1);
    CHECK(after.timers == 0);
    CHECK(after.stacks == 0);
  }).join();
  end_faults();  // its end, too, was under faults
}

void run_seed(unsigned seed, std::uint32_t one_in, std::uint32_t kinds) {
  seed_in_work = seed;
  INFO("WEFT_FAULT_SEED=", seed);
  const int descriptors = open_descriptors();
  ::alarm(50);
  if (seed % 2 != 0)
    run_and_count(seed, one_in, kinds);
  else
    run_on_new_hub(seed, one_in, kinds);
  ::alarm(0);
  const std::string left = descriptors_text();
  INFO(left);
  CHECK(open_descriptors() <= descriptors);
}

unsigned long number(const char* name, unsigned long otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("under random faults of the kernel nothing hangs, nothing is lost, nothing is left") {
  ::signal(SIGALRM, too_late);
  ::signal(SIGPIPE, SIG_IGN);
  // Once without faults, so that what a hub keeps for good is there.
  play(1);
  const unsigned long one = number("WEFT_FAULT_SEED", 0);
  const unsigned long first = one != 0 ? one : 1, last = one != 0 ? one : number("WEFT_FAULT_SEEDS", 200);
  for (unsigned long seed = first; seed <= last; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const std::uint32_t one_in[] = {4, 16, 64};
    // Half of the seeds have one or two kinds of faults, so that rare ones are not drowned by frequent ones.
    std::uint32_t kinds = all_faults;
    if (random() % 2 != 0) kinds = 1u << random() % 6 | interruptions << random() % 3;
    run_seed(static_cast<unsigned>(seed), one_in[random() % 3], kinds);
  }
  if (one != 0) return;
  const char* without = std::getenv("WEFT_WITHOUT");
  const bool ring = without == nullptr || std::strstr(without, "uring") == nullptr;
  for (const faults kind : {interruptions, would_block, short_transfers, no_memory, no_descriptors, no_ring}) {
    INFO("kind ", kind);
    CHECK((injected(kind) > 0 || (kind == no_ring && !ring)));
  }
}

TEST_CASE("timers for which there is no memory are late in nothing") {
  struct ringing : weft::detail::timer_node {
    std::vector<ringing*>* rung;
  };
  std::mt19937 random(7);
  std::vector<ringing> timers(5'000);
  std::vector<ringing*> rung, expected;
  auto queue = std::make_unique<weft::core::timer_queue>();
  weft::detail::nanos now = 1'000'000'000;
  queue->start(now);
  begin_faults(1, 1, no_memory);  // no memory at all
  for (std::size_t i = 0; i < timers.size(); ++i) {
    if (i == 2'500) end_faults();
    if (i == 2'600) begin_faults(1, 1, no_memory);
    timers[i].rung = &rung;
    timers[i].fire = [](weft::detail::timer_node* t) noexcept {
      auto* r = static_cast<ringing*>(t);
      r->rung->push_back(r);
    };
    queue->arm(timers[i], now + random() % 3'000'000'000);
  }
  for (std::size_t i = 0; i < timers.size(); i += 3) queue->disarm(timers[i]);
  for (std::size_t i = 0; i < timers.size(); ++i)
    if (i % 3 != 0) expected.push_back(&timers[i]);
  std::sort(expected.begin(), expected.end(), [](auto* a, auto* b) { return a->deadline < b->deadline; });
  CHECK(queue->size() == expected.size());
  for (std::size_t fired = 0; fired < expected.size(); now += 100'000'000) {
    CHECK(queue->next_deadline() == expected[fired]->deadline);
    fired += queue->expire(now);
    REQUIRE((fired == expected.size() || expected[fired]->deadline > now));
    REQUIRE(rung.size() == fired);
    REQUIRE((rung.empty() || rung.back()->deadline <= now));
  }
  end_faults();
  std::sort(rung.begin(), rung.end(), [](auto* a, auto* b) { return a->deadline < b->deadline; });
  CHECK((rung == expected));
  CHECK(queue->empty());
}
