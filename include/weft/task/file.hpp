// co_await of files on disk: the members of weft::file with the file in front. What is in memory is read at once, without a fiber; the rest
// waits for io_uring or a thread of Weft's in a fiber meanwhile. The file and the bytes must live until the co_await is over.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <utility>

#include "weft/file.hpp"
#include "weft/task.hpp"
#include "weft/task/in_fiber.hpp"
#include "weft/task/io.hpp"

namespace weft {

namespace detail {

// pread and pwrite.
class WEFT_API transfer_operation : public io_operation {
public:
  transfer_operation(bool out, int fd, std::uint64_t offset, void* bytes, std::size_t size) noexcept
      : io_operation(out ? "write" : "read", fd, attempt, bytes, size), out_(out), offset_(offset) {}
  ssize_t await_resume() { return finish(); }

private:
  static bool attempt(io_operation& op) noexcept;
  bool out_;
  std::uint64_t offset_;
};

inline task<> write_kept(file& f, std::string text);
inline task<> write_kept_at(file& f, std::uint64_t offset, std::string text);

}  // namespace detail

namespace async {

// weft::file's constructor.
inline auto open(std::string path, int flags = O_RDONLY, unsigned permissions = 0666) {
  return in_fiber([path = std::move(path), flags, permissions] { return file(path, flags, permissions); });
}
// At the file position: as many bytes as the file has, 0 at its end. What a view or pointer refers to must live until it is over; a
// std::string that is moved in is kept.
WEFT_API task<std::size_t> read(file& f, void* to, std::size_t size);
WEFT_API task<> write(file& f, const void* from, std::size_t size);
inline task<> write(file& f, std::string_view text) { return write(f, text.data(), text.size()); }
template <std::same_as<std::string> S>
task<> write(file& f, S&& text) {
  return detail::write_kept(f, std::move(text));
}
// At `offset`.
WEFT_API task<std::size_t> read_at(file& f, std::uint64_t offset, void* to, std::size_t size);
WEFT_API task<> write_at(file& f, std::uint64_t offset, const void* from, std::size_t size);
inline task<> write_at(file& f, std::uint64_t offset, std::string_view text) { return write_at(f, offset, text.data(), text.size()); }
template <std::same_as<std::string> S>
task<> write_at(file& f, std::uint64_t offset, S&& text) {
  return detail::write_kept_at(f, offset, std::move(text));
}

inline auto truncate(file& f, std::uint64_t size) {
  return in_fiber([&f, size] { f.truncate(size); });
}
inline auto sync(file& f) {
  return in_fiber([&f] { f.sync(); });
}
inline auto datasync(file& f) {
  return in_fiber([&f] { f.datasync(); });
}

// A whole file.
inline auto read_file(std::string path) {
  return in_fiber([path = std::move(path)] { return file::read_all(path); });
}
inline auto write_file(std::string path, std::string text, unsigned permissions = 0666) {
  return in_fiber([path = std::move(path), text = std::move(text), permissions] { file::write_all(path, text, permissions); });
}

}  // namespace async

inline task<> detail::write_kept(file& f, std::string text) { co_await async::write(f, text.data(), text.size()); }
inline task<> detail::write_kept_at(file& f, std::uint64_t offset, std::string text) {
  co_await async::write_at(f, offset, text.data(), text.size());
}

}  // namespace weft
