// Files on disk: what is in memory is read at once, for everything else the fiber parks while io_uring or a thread of Weft's waits
// for the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <utility>

#include "weft/detail/runtime.hpp"

namespace weft {

// An open file, owned. Movable; the destructor closes. All calls but seek, size and close may park; they throw std::system_error with
// the errno and the path, and `cancelled` when the fiber is cancelled. A call that the disk has finished is not undone by a
// cancellation: it returns, and the next wait throws. Several fibers may use one file, as several threads may: those at the
// file position take turns.
class WEFT_API file {
public:
  // Holds no file.
  file() noexcept = default;
  // Opens `path` with open(2)'s flags; close-on-exec is always added. A FIFO waits for its other end, too.
  explicit file(std::string path, int flags = O_RDONLY, unsigned permissions = 0666);
  file(file&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  file& operator=(file&& other) noexcept;
  ~file() { close(); }

  explicit operator bool() const noexcept { return fd_ >= 0; }
  // -1 when there is none.
  int fd() const noexcept { return fd_; }
  // As it was opened.
  const std::string& path() const noexcept { return path_; }

  // Up to `size` bytes at the file position; as many as the file has. 0 at its end.
  std::size_t read(void* to, std::size_t size);
  // All bytes, at the file position (at the end with O_APPEND).
  void write(const void* from, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // At `offset`, without moving the file position.
  std::size_t read_at(std::uint64_t offset, void* to, std::size_t size);
  void write_at(std::uint64_t offset, const void* from, std::size_t size);
  void write_at(std::uint64_t offset, std::string_view text) { write_at(offset, text.data(), text.size()); }

  // lseek(2): the new position.
  std::uint64_t seek(std::int64_t offset, int whence = SEEK_SET);
  std::uint64_t size() const;
  // Cuts or extends (with zeros) to `size` bytes.
  void truncate(std::uint64_t size);
  // Returns when data and metadata are on the disk (fsync), or data and its length alone (fdatasync).
  void sync();
  void datasync();
  // Closes; nothing when it is closed already. An error that the kernel tells only now is lost: `sync` first where it matters.
  void close() noexcept;

  // A whole file.
  static std::string read_all(const std::string& path);
  // Makes the file, or empties it, and writes. It is not synced.
  static void write_all(const std::string& path, std::string_view text, unsigned permissions = 0666);

private:
  friend struct detail::task_access;

  [[noreturn]] void fail(long error, const char* call) const;
  std::size_t done(long result, const char* call) const;

  int fd_ = -1;
  std::string path_;
};

}  // namespace weft
