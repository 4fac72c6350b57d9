// How many descriptors, mappings, threads and how much memory there may be here.
#include <sys/resource.h>

#include "machine.hpp"

namespace weft::doctor {
namespace {

std::string limit_words(rlim_t n) { return n == RLIM_INFINITY ? "unlimited" : grouped(n); }

rlimit limit_of(__rlimit_resource what) {
  rlimit r{RLIM_INFINITY, RLIM_INFINITY};
  getrlimit(what, &r);
  return r;
}

finding descriptors() {
  constexpr rlim_t many = 65536;
  const rlimit r = limit_of(RLIMIT_NOFILE);
  const std::string words = limit_words(r.rlim_cur) + ", at most " + limit_words(r.rlim_max) + " (ulimit -n, ulimit -Hn)";
  if (r.rlim_cur >= many) return {level::ok, "descriptors", words, ""};
  const std::string price = ": a thread per connection ends at " + limit_words(r.rlim_cur) + " connections, with EMFILE as natively";
  if (r.rlim_max >= many)
    return {level::limited, "descriptors", words + price, "ulimit -n " + std::to_string(r.rlim_max) + " before the program starts"};
  return {level::limited, "descriptors", words + price, "LimitNOFILE= of its systemd unit, or limits.conf(5)"};
}

finding mappings() {
  const unsigned long long n = number_in("/proc/sys/vm/max_map_count", 65530);
  return {level::ok, "mappings", grouped(n) + " a process (vm.max_map_count)", ""};
}

finding threads() {
  unsigned long long n = number_in("/proc/sys/kernel/threads-max", ~0ull);
  const char* what = "kernel.threads-max";
  const auto smaller = [&](unsigned long long other, const char* name) {
    if (other < n) n = other, what = name;
  };
  smaller(number_in("/proc/sys/kernel/pid_max", ~0ull), "kernel.pid_max");
  smaller(number_in("/sys/fs/cgroup/pids.max", ~0ull), "the cgroup's pids.max");
  smaller(limit_of(RLIMIT_NPROC).rlim_cur, "ulimit -u");
  return {level::ok, "threads", "natively at most " + grouped(n) + " (" + what + "); green threads do not count there", ""};
}

finding address_space() {
  const rlimit r = limit_of(RLIMIT_AS);
  if (r.rlim_cur == RLIM_INFINITY) return {level::ok, "address space", "unlimited", ""};
  return {level::limited, "address space",
          limit_words(r.rlim_cur) + " bytes (ulimit -v): stacks are reserved in large pieces, and a thread may get EAGAIN early",
          "ulimit -v unlimited, or weft run --stack-size 256k"};
}

finding memory() {
  const unsigned long long pages = number_in("/sys/fs/cgroup/memory.max", ~0ull);
  const unsigned long long strict = number_in("/proc/sys/vm/overcommit_memory", 0);
  if (strict == 2)
    return {level::limited, "memory", "vm.overcommit_memory=2: stacks count as used when they are made",
            "weft run --stack-size 64k for programs with very many threads"};
  if (pages != ~0ull) return {level::ok, "memory", "at most " + grouped(pages / 1024) + " kB (the cgroup's memory.max)", ""};
  return {level::ok, "memory", "some 13 kB a sleeping pthread, 4.4 kB a parked fiber with a stack of 64 KiB", ""};
}

finding huge_pages() {
  const std::string mode = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  if (mode.find("[always]") == std::string::npos) return {level::ok, "huge pages", "only where they are asked for", ""};
  return {level::ok, "huge pages", "always (transparent_hugepage): Weft asks for small ones where its stacks are", ""};
}

finding backlog() {
  const unsigned long long n = number_in("/proc/sys/net/core/somaxconn", 4096);
  if (n >= 1024) return {level::ok, "backlog", grouped(n) + " connections may wait for accept (net.core.somaxconn)", ""};
  return {level::limited, "backlog", grouped(n) + " connections may wait for accept: bursts of clients are refused or slow",
          "sysctl net.core.somaxconn=4096"};
}

}  // namespace

std::vector<finding> limit_findings() {
  return {descriptors(), mappings(), threads(), address_space(), memory(), huge_pages(), backlog()};
}

}  // namespace weft::doctor
