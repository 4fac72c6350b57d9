// Site tables kept from run to run: what comes back is what was scanned, and nothing is believed that could be wrong.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "code_buffer.hpp"
#include "patch/site_cache.hpp"
#include "sys/mem.hpp"

using namespace weft::patch;
namespace fs = std::filesystem;

namespace {

// A folder of its own, named by WEFT_CACHE for the while.
struct own_folder {
  std::string path;
  own_folder() {
    char name[] = "/tmp/weft-cache-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
    setenv("WEFT_CACHE", name, 1);
  }
  ~own_folder() {
    unsetenv("WEFT_CACHE");
    fs::remove_all(path);
  }
  std::string only_file() const {
    std::string found;
    for (const auto& e : fs::directory_iterator(path)) {
      CHECK(found.empty());
      found = e.path();
    }
    return found;
  }
};

known_object unscanned_libc() {
  known_object o;
  for (const elf_image& image : loaded_images())
    if (image.name().starts_with("libc.so")) o.image = image;
  REQUIRE_FALSE(o.image.build_id.empty());
  return o;
}

const known_object& scanned_libc() {
  static const known_object o = [] {
    known_object fresh = unscanned_libc();
    look_at(fresh, weft_test::the_decoder());
    return fresh;
  }();
  return o;
}

bool loads() {
  known_object o = unscanned_libc();
  return load_sites(cache_folder(), o);
}

void change_byte(const std::string& file, long at) {
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(at);
  const char byte = static_cast<char>(f.get() ^ 0x20);
  f.seekp(at);
  f.put(byte);
}

}  // namespace

TEST_CASE("a table comes back as it was scanned") {
  const own_folder folder;
  CHECK_FALSE(loads());
  store_sites(cache_folder(), scanned_libc());
  known_object back = unscanned_libc();
  REQUIRE(load_sites(cache_folder(), back));
  REQUIRE(back.sites.size() == scanned_libc().sites.size());
  CHECK(back.sites.size() > 300);
  for (std::size_t k = 0; k < back.sites.size(); ++k) CHECK(back.sites[k].what == scanned_libc().sites[k].what);
  CHECK(back.code.rows == scanned_libc().code.rows);
  struct stat st;
  REQUIRE(stat(folder.only_file().c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
}

TEST_CASE("a file that is not whole, or has a byte changed anywhere, is none") {
  const own_folder folder;
  store_sites(cache_folder(), scanned_libc());
  REQUIRE(loads());
  const std::string file = folder.only_file();
  const long size = static_cast<long>(fs::file_size(file));
  for (long at = 0; at < size; at += at < 160 ? 1 : 97) {
    change_byte(file, at);
    CHECK_MESSAGE(!loads(), at);
    change_byte(file, at);
  }
  REQUIRE(loads());
  REQUIRE(truncate(file.c_str(), size - 1) == 0);
  CHECK_FALSE(loads());
  REQUIRE(truncate(file.c_str(), 0) == 0);
  CHECK_FALSE(loads());
}

TEST_CASE("a file or folder that others can write, or a link, is not believed") {
  const own_folder folder;
  store_sites(cache_folder(), scanned_libc());
  const std::string file = folder.only_file();
  REQUIRE(chmod(file.c_str(), 0620) == 0);
  CHECK_FALSE(loads());
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  CHECK(loads());
  REQUIRE(chmod(folder.path.c_str(), 0777) == 0);
  CHECK_FALSE(loads());
  REQUIRE(chmod(folder.path.c_str(), 0700) == 0);
  CHECK(loads());
  if (geteuid() == 0) {
    REQUIRE(chown(file.c_str(), 12345, static_cast<gid_t>(-1)) == 0);
    CHECK_FALSE(loads());
    REQUIRE(chown(file.c_str(), 0, static_cast<gid_t>(-1)) == 0);
  }
  const std::string elsewhere = folder.path + "/elsewhere";
  REQUIRE(rename(file.c_str(), elsewhere.c_str()) == 0);
  REQUIRE(symlink(elsewhere.c_str(), file.c_str()) == 0);
  CHECK_FALSE(loads());
}

TEST_CASE("a table of other bytes is not used") {
  const own_folder folder;
  store_sites(cache_folder(), scanned_libc());
  known_object other = unscanned_libc();
  other.image.build_id.back() = other.image.build_id.back() == '0' ? '1' : '0';
  CHECK_FALSE(load_sites(cache_folder(), other));
  known_object longer = unscanned_libc();
  longer.image.text.back().end += 4096;
  CHECK_FALSE(load_sites(cache_folder(), longer));
  // The same object at another place, as a later run finds it; then with one byte at one site changed.
  known_object copy = unscanned_libc();
  std::uintptr_t end = 0;
  for (const range& r : copy.image.readable) end = std::max(end, r.end);
  const std::size_t bytes = weft::sys::round_up(end - copy.image.base, 4096);
  auto* const place = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(place != MAP_FAILED);
  const std::uintptr_t shift = reinterpret_cast<std::uintptr_t>(place) - copy.image.base;
  for (range& r : copy.image.text) {
    std::memcpy(reinterpret_cast<void*>(r.begin + shift), reinterpret_cast<const void*>(r.begin), r.size());
    r = {r.begin + shift, r.end + shift};
  }
  for (range& r : copy.image.readable) r = {r.begin + shift, r.end + shift};
  copy.image.base += shift;
  copy.image.eh_frame_hdr += shift;
  CHECK(load_sites(cache_folder(), copy));
  for (const known_site& s : scanned_libc().sites)
    if (s.what.after > 0) {
      place[s.what.offset + syscall_length] ^= 1;
      break;
    }
  CHECK_FALSE(load_sites(cache_folder(), copy));
  munmap(place, bytes);
}

TEST_CASE("the cache can be switched off, and is made when it is missing") {
  {
    const own_folder folder;
    setenv("WEFT_CACHE", "off", 1);
    CHECK_FALSE(cache_folder(true).usable());
    const std::string below = folder.path + "/made";
    setenv("WEFT_CACHE", below.c_str(), 1);
    CHECK_FALSE(cache_folder().usable());
    CHECK(cache_folder(true).usable());
    CHECK(fs::is_directory(below));
  }
  const own_folder home;
  unsetenv("WEFT_CACHE");
  const std::string before = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "";
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", home.path.c_str(), 1);
  CHECK(cache_folder(true).usable());
  CHECK(fs::is_directory(home.path + "/.cache/weft"));
  setenv("XDG_CACHE_HOME", home.path.c_str(), 1);
  CHECK(cache_folder(true).usable());
  CHECK(fs::is_directory(home.path + "/weft"));
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", before.c_str(), 1);
}
