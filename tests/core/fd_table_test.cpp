// What a hub knows of each descriptor number: entries are made on use and never move.
#include <doctest/doctest.h>

#include <vector>

#include "core/fd_table.hpp"

using weft::core::fd_entry;
using weft::core::fd_table;

TEST_CASE("a number that was never used has no entry") {
  fd_table t;
  CHECK(t.find(0) == nullptr);
  CHECK(t.find(-1) == nullptr);
  CHECK(t.find(1 << 30) == nullptr);
}

TEST_CASE("numbers that no descriptor can have get no entry") {
  fd_table t;
  CHECK(t.get(-1) == nullptr);
  CHECK(t.get(-2'000'000'000) == nullptr);
  CHECK(t.get(fd_table::limit) == nullptr);
  CHECK(t.get(2'147'483'647) == nullptr);
  CHECK(t.get(fd_table::limit - 1) != nullptr);
}

TEST_CASE("entries stay where they are while the table grows, and keep what they know") {
  fd_table t;
  std::vector<fd_entry*> entries;
  const std::vector<int> numbers{0, 3, 63, 64, 127, 128, 1'023, 1'024, 40'000, 1'000'000, fd_table::limit - 1};
  for (const int fd : numbers) {
    fd_entry* e = t.get(fd);
    REQUIRE(e != nullptr);
    CHECK(e->waiters.empty());
    e->sequence = static_cast<std::uint32_t>(fd);
    entries.push_back(e);
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    CHECK(t.find(numbers[i]) == entries[i]);
    CHECK(t.get(numbers[i])->sequence == static_cast<std::uint32_t>(numbers[i]));
  }
}

TEST_CASE("each visits every entry in use, with its number") {
  fd_table t;
  t.get(5)->sequence = 50;
  t.get(700)->sequence = 7'000;
  int found = 0;
  t.each([&](int fd, fd_entry& e) {
    CHECK(t.find(fd) == &e);
    if (e.sequence == 0) return;
    ++found;
    CHECK(static_cast<int>(e.sequence) == fd * 10);
  });
  CHECK(found == 2);
}
