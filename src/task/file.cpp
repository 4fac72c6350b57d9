// Files for coroutines. A coroutine's attempt takes what is in memory; where a fiber's would have gone on with the rest, this one asks
// again.
#include "weft/task/file.hpp"

#include <cerrno>

#include "io/file_transfer.hpp"
#include "task/io_attempt.hpp"
#include "weft/task/access.hpp"

namespace weft {

namespace {

// What the kernel does in one call at most.
constexpr std::size_t most_bytes = 0x7ffff000;

std::size_t checked(const file& f, ssize_t got, const char* call) {
  return detail::task_access::done(f, got < 0 ? -errno : got, call);
}

// All that can be had of `size` bytes, by fn(done) for what is behind `done`.
template <class F>
task<std::size_t> gather_parts(const file& f, std::size_t size, F part) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = co_await part(done);
    if (got < 0 && done > 0) break;  // for the next call to see
    if (checked(f, got, "read") == 0) break;
    done += static_cast<std::size_t>(got);
  }
  co_return done;
}

template <class F>
task<> write_parts(const file& f, std::size_t size, F part) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = co_await part(done);
    done += checked(f, got, "write");
  }
}

}  // namespace

bool detail::transfer_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<transfer_operation&>(op);
  return me.settled([&] {
    return io::transfer_at(current_hub(), me.out_, me.fd_, me.offset_, me.bytes_, me.size_ < most_bytes ? me.size_ : most_bytes);
  });
}

task<std::size_t> async::read(file& f, void* to, std::size_t size) {
  return gather_parts(f, size, [=, fd = f.fd()](std::size_t done) { return read(fd, static_cast<char*>(to) + done, size - done); });
}

task<> async::write(file& f, const void* from, std::size_t size) {
  return write_parts(f, size,
                     [=, fd = f.fd()](std::size_t done) { return write(fd, static_cast<const char*>(from) + done, size - done); });
}

task<std::size_t> async::read_at(file& f, std::uint64_t offset, void* to, std::size_t size) {
  return gather_parts(f, size, [=, fd = f.fd()](std::size_t done) {
    return detail::io_call<detail::transfer_operation>(false, fd, offset + done, static_cast<void*>(static_cast<char*>(to) + done),
                                                    size - done);
  });
}

task<> async::write_at(file& f, std::uint64_t offset, const void* from, std::size_t size) {
  return write_parts(f, size, [=, fd = f.fd()](std::size_t done) {
    return detail::io_call<detail::transfer_operation>(
        true, fd, offset + done, static_cast<void*>(const_cast<char*>(static_cast<const char*>(from)) + done), size - done);
  });
}

}  // namespace weft
