#include "patch/cache_folder.hpp"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "sys/features.hpp"
#include "sys/syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::size_t largest = 8u << 20;

bool is_private(int fd, unsigned type) {
  struct stat st;
  if (sys::raw(SYS_fstat, fd, &st) != 0) return false;
  return (st.st_mode & S_IFMT) == type && st.st_uid == static_cast<uid_t>(sys::raw(SYS_geteuid)) && (st.st_mode & 022) == 0;
}

int open_folder(const std::string& path) {
  return static_cast<int>(sys::raw(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Makes `path` inside a folder of the user's own: root with another user's HOME leaves nothing there.
void make_folder(const std::string& path) {
  const int parent = open_folder(path.substr(0, path.rfind('/')));
  if (parent < 0) return;
  if (is_private(parent, S_IFDIR)) sys::raw(SYS_mkdirat, AT_FDCWD, path.c_str(), 0700);
  sys::raw(SYS_close, parent);
}

std::string value(const char* name) {
  const char* v = sys::env(name);
  return v != nullptr ? v : "";
}

struct place {
  std::string parent;  // made, too; empty: is there or the folder will not be
  std::string path;    // empty: no cache
};

place where() {
  if (getauxval(AT_SECURE) != 0) return {};
  const std::string chosen = value("WEFT_CACHE");
  if (chosen == "off") return {};
  if (!chosen.empty()) return {"", chosen};
  // A relative path is to be ignored (XDG Base Directory Specification).
  if (const std::string xdg = value("XDG_CACHE_HOME"); xdg.starts_with('/')) return {"", xdg + "/weft"};
  if (const std::string home = value("HOME"); home.starts_with('/')) return {home + "/.cache", home + "/.cache/weft"};
  return {};
}

}  // namespace

cache_folder::cache_folder(bool make) {
  const place at = where();
  if (at.path.empty()) return;
  int fd = open_folder(at.path);
  if (fd < 0 && make) {
    if (!at.parent.empty()) make_folder(at.parent);
    make_folder(at.path);
    fd = open_folder(at.path);
  }
  if (fd < 0) return;
  if (is_private(fd, S_IFDIR)) directory_ = fd;
  else sys::raw(SYS_close, fd);
}

cache_folder::~cache_folder() {
  if (directory_ >= 0) sys::raw(SYS_close, directory_);
}

bool cache_folder::read(const std::string& name, std::vector<unsigned char>& bytes) const {
  if (directory_ < 0) return false;
  const int fd = static_cast<int>(sys::raw(SYS_openat, directory_, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd < 0) return false;
  struct stat st;
  bool good = is_private(fd, S_IFREG) && sys::raw(SYS_fstat, fd, &st) == 0 && static_cast<std::size_t>(st.st_size) <= largest;
  if (good) {
    bytes.resize(static_cast<std::size_t>(st.st_size));
    std::size_t done = 0;
    while (done < bytes.size()) {
      const long got = sys::raw(SYS_read, fd, bytes.data() + done, bytes.size() - done);
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    good = done == bytes.size();
  }
  sys::raw(SYS_close, fd);
  return good;
}

void cache_folder::write(const std::string& name, const std::vector<unsigned char>& bytes) const {
  if (directory_ < 0) return;
  const std::string fresh = "." + name + "." + std::to_string(sys::raw(SYS_getpid)) + "." + std::to_string(sys::raw(SYS_gettid));
  const long fd = sys::raw(SYS_openat, directory_, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  bool good = sys::raw(SYS_write, fd, bytes.data(), bytes.size()) == static_cast<long>(bytes.size());
  sys::raw(SYS_close, fd);
  good = good && sys::raw(SYS_renameat, directory_, fresh.c_str(), directory_, name.c_str()) == 0;
  if (!good) sys::raw(SYS_unlinkat, directory_, fresh.c_str(), 0);
}

}  // namespace weft::patch
