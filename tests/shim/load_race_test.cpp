// patch_all() while other threads load and unload libraries: no object is read, or written to, after it has gone.
#include <doctest/doctest.h>

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

namespace {

// A library of its own for each thread, or one would hold the other's.
class copy {
public:
  explicit copy(int number) : path_(std::filesystem::temp_directory_path() / ("weft-load-race-" + std::to_string(getpid()) + "-" +
                                                                              std::to_string(number) + ".so")) {
    std::filesystem::copy_file(std::getenv("WEFT_INLINE_SYSCALL"), path_, std::filesystem::copy_options::overwrite_existing);
  }
  ~copy() { std::filesystem::remove(path_); }
  copy(const copy&) = delete;
  const char* path() const { return path_.c_str(); }

private:
  std::filesystem::path path_;
};

void come_and_go(const copy& file, const std::atomic<bool>& over, std::atomic<int>& turns) {
  while (!over) {
    void* const library = dlopen(file.path(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) abort();
    dlclose(library);
    ++turns;
  }
}

}  // namespace

TEST_CASE("patch_all() and libraries that come and go in other threads") {
  const copy files[] = {copy(0), copy(1)};
  std::atomic<bool> over{false};
  std::atomic<int> turns[2] = {};
  std::thread others[2];
  for (int k = 0; k < 2; ++k) others[k] = std::thread([&, k] { come_and_go(files[k], over, turns[k]); });
  for (int k = 0; k < 200 || turns[0] < 100 || turns[1] < 100; ++k) weft::patch_all();
  over = true;
  for (std::thread& t : others) t.join();
  CHECK(weft::patch_info().sites_patched > 0);

  // Whoever looked at it last, the one that stays is redirected.
  const int before = weft::patch_info().sites_patched;
  void* const stays = dlopen(files[0].path(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE(stays != nullptr);
  CHECK(weft::patch_info().sites_patched == before + 1);
  dlclose(stays);
}
