// Blocks of fibers: reuse, alignment, and that memory keeps its type for as long as the hub lives.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "core/slab.hpp"

using weft::core::slab;

TEST_CASE("blocks are aligned, apart from each other, and zero when fresh") {
  slab s;
  std::vector<unsigned char*> blocks;
  for (std::size_t size = 16; size <= 2 * slab::largest; size += 40) {
    bool fresh = false;
    auto* b = static_cast<unsigned char*>(s.take(size, fresh));
    REQUIRE(b != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(b) % 16 == 0);
    CHECK(fresh);
    for (std::size_t i = 0; i < size; ++i) REQUIRE(b[i] == 0);
    std::memset(b, static_cast<int>(size & 0xff), size);
    blocks.push_back(b);
  }
  std::size_t size = 16;
  for (unsigned char* b : blocks) {
    for (std::size_t i = 0; i < size; ++i) REQUIRE(b[i] == (size & 0xff));
    s.give(b, size);
    size += 40;
  }
}

TEST_CASE("a block given back is the next one taken of its size, and of no other size") {
  slab s;
  bool fresh = false;
  void* a = s.take(200, fresh);
  void* b = s.take(200, fresh);
  s.give(a, 200);
  s.give(b, 200);
  void* other = s.take(300, fresh);
  CHECK(other != a);
  CHECK(other != b);
  CHECK(s.take(200, fresh) == b);
  CHECK_FALSE(fresh);
  CHECK(s.take(200, fresh) == a);
  CHECK_FALSE(fresh);
}

TEST_CASE("a block that was given back can still be read: a stale waker looks at its epoch") {
  slab s;
  // Larger than the largest of the free lists too: fibers with big captures.
  for (const std::size_t size : {std::size_t{128}, std::size_t{3'000}, std::size_t{5'000}, std::size_t{3'000'000}}) {
    bool fresh = false;
    auto* block = static_cast<volatile std::uint32_t*>(s.take(size, fresh));
    REQUIRE((block != nullptr));
    block[16] = 77;
    s.give(const_cast<std::uint32_t*>(block), size);
    CHECK(std::uint32_t{block[16]} == 77);
    auto* again = s.take(size, fresh);
    CHECK((again == block));
    CHECK_FALSE(fresh);
    s.give(const_cast<std::uint32_t*>(block), size);
  }
}

TEST_CASE("a hundred thousand blocks, none twice") {
  slab s;
  std::set<void*> seen;
  bool fresh = false;
  for (int i = 0; i < 100'000; ++i) CHECK(seen.insert(s.take(176, fresh)).second);
}
