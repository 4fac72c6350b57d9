// How late a tick of each millisecond is, beside 50 others that do what blocks: 20 write and fsync, 20 read cold files, 10 resolve
// names. Once as threads that make the plain calls, once as fibers that make the same calls through rewritten sites.
//   lateness threads|fibers FOLDER SECONDS     FOLDER: on the disk that is meant
// Prints one line of JSON: lateness in microseconds, what the others did, and whether Weft was active.
#include <weft/weft.hpp>

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr int writers = 20, readers = 20, resolvers = 10;
constexpr std::size_t file_bytes = 1 << 20, read_bytes = 64 << 10;

std::atomic<bool> over{false};
std::atomic<long> syncs{0}, reads{0}, names{0}, failures{0};

void write_and_sync(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::vector<char> block(4096, 'w');
  for (off_t at = 0; !over; at = (at + 4096) % file_bytes) {
    if (::pwrite(fd, block.data(), block.size(), at) != 4096 || ::fsync(fd) != 0) ++failures;
    ++syncs;
  }
  ::close(fd);
}

void read_cold(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> block(read_bytes);
  while (!over) {
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    for (std::size_t at = 0; at < file_bytes && !over; at += read_bytes) {
      if (::pread(fd, block.data(), block.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(read_bytes)) ++failures;
      ++reads;
    }
  }
  ::close(fd);
}

// The name stands in the hosts file; the pause is that of a name server nearby.
void resolve_names(bool in_fiber) {
  while (!over) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    const int error = in_fiber ? weft::getaddrinfo("localhost", "80", &hints, &found) : ::getaddrinfo("localhost", "80", &hints, &found);
    if (error != 0) ++failures;
    else ::freeaddrinfo(found);
    ++names;
    ::usleep(2000);
  }
}

// Lateness of each tick, in microseconds.
std::vector<double> tick(std::chrono::seconds length) {
  std::vector<double> late;
  const auto end = clock_type::now() + length;
  for (auto next = clock_type::now(); next < end;) {
    next += std::chrono::milliseconds(1);
    timespec at{};
    const auto since = next.time_since_epoch();
    at.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(since).count();
    at.tv_nsec = static_cast<long>((since % std::chrono::seconds(1)).count());
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    const auto now = clock_type::now();
    late.push_back(std::chrono::duration<double, std::micro>(now - next).count());
    if (now > next) next += (now - next) / std::chrono::milliseconds(1) * std::chrono::milliseconds(1);
  }
  over = true;
  return late;
}

template <class Start>
std::vector<double> play(const std::string& folder, std::chrono::seconds length, bool in_fiber, Start start) {
  for (int i = 0; i < writers; ++i) start([=] { write_and_sync(folder + "/w" + std::to_string(i)); });
  for (int i = 0; i < readers; ++i) start([=] { read_cold(folder + "/r" + std::to_string(i)); });
  for (int i = 0; i < resolvers; ++i) start([=] { resolve_names(in_fiber); });
  std::vector<double> late;
  start([&] { late = tick(length); });
  start({});  // joins
  return late;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const bool fibers = std::strcmp(argv[1], "fibers") == 0;
  const std::string folder = argv[2];
  const std::chrono::seconds length(std::atoi(argv[3]));
  for (int i = 0; i < readers; ++i) weft::file::write_all(folder + "/r" + std::to_string(i), std::string(file_bytes, 'r'));
  ::sync();
  int sites = 0;
  std::uint64_t parks = 0;
  std::vector<double> late;
  if (fibers) {
    sites = weft::patch_all().sites_patched;
    const auto before = weft::this_hub().stats().parks;
    std::vector<weft::fiber<void>> all;
    late = play(folder, length, true, [&](std::function<void()> fn) {
      if (fn) all.push_back(weft::spawn(std::move(fn)));
      else
        for (auto& f : all) f.join();
    });
    parks = weft::this_hub().stats().parks - before;
  } else {
    std::vector<std::thread> all;
    late = play(folder, length, false, [&](std::function<void()> fn) {
      if (fn) all.emplace_back(std::move(fn));
      else
        for (auto& t : all) t.join();
    });
  }
  std::sort(late.begin(), late.end());
  const auto at = [&](double share) { return late[static_cast<std::size_t>(share * static_cast<double>(late.size() - 1))]; };
  std::printf("{\"ticks\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, \"syncs\": %ld, \"reads\": %ld, \"names\": %ld, "
              "\"failures\": %ld, \"sites\": %d, \"parks\": %llu}\n",
              late.size(), at(0.5), at(0.99), late.back(), syncs.load(), reads.load(), names.load(), failures.load(), sites,
              static_cast<unsigned long long>(parks));
}
