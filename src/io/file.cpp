// weft::file over the ops: errors into std::system_error, ended waits into exceptions. Ordinary C++.
#include "weft/file.hpp"

#include <cerrno>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "io/descriptors.hpp"
#include "io/file_ops.hpp"
#include "io/file_transfer.hpp"
#include "io/ops.hpp"
#include "weft/detail/wait.hpp"

namespace weft {
namespace {

using detail::hub;
using io::caller;

// What the kernel does in one call at most.
constexpr std::size_t most_bytes = 0x7ffff000;

std::size_t cut(std::size_t size) { return size < most_bytes ? size : most_bytes; }

long brief(hub& h, const io::offload_call& call, const char* reason) {
  return io::offload(h, call, detail::never, reason, io::offload_kind::brief);
}

}  // namespace

void file::fail(long error, const char* call) const {
  throw std::system_error(static_cast<int>(-error), std::generic_category(), "weft: " + std::string(call) + " " + path_);
}

std::size_t file::done(long result, const char* call) const {
  if (result >= 0) return static_cast<std::size_t>(result);
  if (io::is_ended(result)) {
    detail::throw_if_ended(detail::current_hub(), io::why_ended(result), call);
    result = -EINTR;
  }
  fail(result, call);
}

file::file(std::string path, int flags, unsigned permissions) : path_(std::move(path)) {
  hub& h = detail::current_hub();
  detail::check_cancelled(h);
  flags |= O_CLOEXEC;
  const io::offload_call call = io::call_of(SYS_openat, AT_FDCWD, path_.c_str(), flags, permissions);
  long fd = io::open(h, call, AT_FDCWD, path_.c_str(), flags);
  if (fd == 1) fd = brief(h, call, "file.open");
  fd_ = static_cast<int>(done(fd, "open"));
  io::note_new(h, fd_);
}

file& file::operator=(file&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

std::size_t file::read(void* to, std::size_t size) {
  return done(io::read(detail::current_hub(), caller::face, fd_, to, cut(size)), "read");
}

void file::write(const void* from, std::size_t size) {
  hub& h = detail::current_hub();
  const char* at = static_cast<const char*>(from);
  while (size > 0) {
    const std::size_t part = done(io::write(h, caller::face, fd_, at, cut(size)), "write");
    at += part;
    size -= part;
  }
}

std::size_t file::read_at(std::uint64_t offset, void* to, std::size_t size) {
  return done(io::transfer_at(detail::current_hub(), false, fd_, offset, to, cut(size)), "read");
}

void file::write_at(std::uint64_t offset, const void* from, std::size_t size) {
  hub& h = detail::current_hub();
  char* at = static_cast<char*>(const_cast<void*>(from));
  while (size > 0) {
    const std::size_t part = done(io::transfer_at(h, true, fd_, offset, at, cut(size)), "write");
    at += part;
    offset += part;
    size -= part;
  }
}

std::uint64_t file::seek(std::int64_t offset, int whence) {
  return done(sys::raw(SYS_lseek, fd_, offset, whence), "seek in");
}

std::uint64_t file::size() const {
  struct stat st;
  done(sys::raw(SYS_fstat, fd_, &st), "stat");
  return static_cast<std::uint64_t>(st.st_size);
}

void file::truncate(std::uint64_t size) {
  done(brief(detail::current_hub(), io::call_of(SYS_ftruncate, fd_, size), "file.truncate"), "truncate");
}

void file::sync() { done(brief(detail::current_hub(), io::call_of(SYS_fsync, fd_), "file.sync"), "fsync"); }

void file::datasync() { done(brief(detail::current_hub(), io::call_of(SYS_fdatasync, fd_), "file.datasync"), "fdatasync"); }

void file::close() noexcept {
  if (fd_ < 0) return;
  const int fd = std::exchange(fd_, -1);
  if (hub* h = detail::try_hub())
    io::close(*h, fd);
  else
    sys::raw(SYS_close, fd);
}

std::string file::read_all(const std::string& path) {
  file f(path);
  std::string text;
  // One byte more than it has: the end is seen by the first read.
  text.resize(f.size() + 1);
  std::size_t used = 0;
  while (const std::size_t got = f.read(text.data() + used, text.size() - used)) {
    used += got;
    if (used == text.size()) text.resize(used * 2);
  }
  text.resize(used);
  return text;
}

void file::write_all(const std::string& path, std::string_view text, unsigned permissions) {
  file f(path, O_WRONLY | O_CREAT | O_TRUNC, permissions);
  f.write(text);
}

}  // namespace weft
