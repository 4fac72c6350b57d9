// Libraries with system calls of their own that are loaded after patch_all(): redirected when they are mapped, again after they were
// unloaded, and in other namespaces too.
#include <doctest/doctest.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

#include <weft/weft.hpp>

namespace {

using read_function = long (*)(int, void*, unsigned long);

struct library {
  void* handle;
  explicit library(void* h) : handle(h) { REQUIRE_MESSAGE(h != nullptr, dlerror()); }
  ~library() { dlclose(handle); }
  library(const library&) = delete;
  read_function own_read() const { return reinterpret_cast<read_function>(dlsym(handle, "own_read")); }
  read_function libcs_read() const { return reinterpret_cast<read_function>(dlsym(handle, "libcs_read")); }
  int syscall_at_start() const { return *static_cast<int*>(dlsym(handle, "own_syscall_at_start")); }
};

const char* path() { return std::getenv("WEFT_INLINE_SYSCALL"); }

// Reads an empty pipe in a fiber, which another one fills later. The number of parks that took.
std::uint64_t parks_for_a_read(read_function own_read) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const auto before = weft::this_hub().stats().parks;
  char byte = 0;
  auto reader = weft::spawn([&] { return own_read(ends[0], &byte, 1); });
  weft::this_fiber::yield();
  const auto parks = weft::this_hub().stats().parks - before;
  auto writer = weft::spawn([&] { CHECK(::write(ends[1], "w", 1) == 1); });
  CHECK(reader.get() == 1);
  CHECK(byte == 'w');
  writer.join();
  close(ends[0]);
  close(ends[1]);
  return parks;
}

}  // namespace

TEST_CASE("a library loaded later is redirected before its own code runs") {
  REQUIRE(weft::patch_all().sites_patched > 0);
  const int before = weft::patch_info().sites_patched;
  const library l(dlopen(path(), RTLD_NOW | RTLD_LOCAL));
  CHECK(weft::patch_info().sites_patched == before + 1);
  CHECK(l.syscall_at_start() == 0);
  CHECK(parks_for_a_read(l.own_read()) >= 1);
}

TEST_CASE("a library that comes and goes is redirected each time") {
  REQUIRE(weft::patch_all().sites_patched > 0);
  const int before = weft::patch_info().sites_patched;
  for (int k = 0; k < 50; ++k) {
    const library l(dlopen(path(), RTLD_NOW | RTLD_LOCAL));
    CHECK(l.syscall_at_start() == 0);
    if (k % 10 == 0) CHECK(parks_for_a_read(l.own_read()) >= 1);
  }
  CHECK(weft::patch_info().sites_patched == before);
}

TEST_CASE("a library in a namespace of its own is redirected, with the libc that comes along") {
  REQUIRE(weft::patch_all().sites_patched > 0);
  const int before = weft::patch_info().sites_patched;
  const library l(dlmopen(LM_ID_NEWLM, path(), RTLD_NOW | RTLD_LOCAL));
  CHECK(weft::patch_info().sites_patched > before + 50);
  CHECK(l.syscall_at_start() == 0);
  CHECK(parks_for_a_read(l.own_read()) >= 1);
  CHECK(parks_for_a_read(l.libcs_read()) >= 1);
}
