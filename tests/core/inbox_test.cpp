// Work that other threads leave for a hub: nothing lost, nothing twice, the order of each thread kept.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/remote.hpp"

using weft::core::remote_inbox;
using weft::core::remote_node;

namespace {
struct numbered : remote_node {
  int thread = 0, number = 0;
};
}  // namespace

TEST_CASE("an inbox gives everything back, oldest first, and only the first push finds it empty") {
  remote_inbox inbox;
  CHECK(inbox.empty());
  CHECK(inbox.take() == nullptr);
  numbered a, b, c;
  CHECK(inbox.push(a));
  CHECK_FALSE(inbox.push(b));
  CHECK_FALSE(inbox.push(c));
  CHECK_FALSE(inbox.empty());
  CHECK_FALSE(inbox.quick_empty());
  remote_node* n = inbox.take();
  CHECK(n == &a);
  CHECK(n->next == &b);
  CHECK(b.next == &c);
  CHECK(c.next == nullptr);
  CHECK(inbox.empty());
  CHECK(inbox.push(a));
}

TEST_CASE("pushes from many threads all arrive, each thread's in its order") {
  constexpr int threads = 4, each = 20'000;
  remote_inbox inbox;
  std::vector<std::vector<numbered>> nodes(threads);
  for (auto& v : nodes) v.resize(each);
  std::vector<std::thread> pushers;
  for (int t = 0; t < threads; ++t)
    pushers.emplace_back([&inbox, &mine = nodes[static_cast<std::size_t>(t)], t] {
      for (int i = 0; i < each; ++i) {
        mine[static_cast<std::size_t>(i)].thread = t;
        mine[static_cast<std::size_t>(i)].number = i;
        inbox.push(mine[static_cast<std::size_t>(i)]);
      }
    });
  std::vector<int> next(threads, 0);
  int total = 0;
  while (total < threads * each) {
    for (remote_node* n = inbox.take(); n != nullptr; n = n->next) {
      auto* mine = static_cast<numbered*>(n);
      REQUIRE(mine->number == next[static_cast<std::size_t>(mine->thread)]);
      ++next[static_cast<std::size_t>(mine->thread)];
      ++total;
    }
  }
  for (std::thread& t : pushers) t.join();
  CHECK(inbox.empty());
}
