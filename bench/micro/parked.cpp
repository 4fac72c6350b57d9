// Memory of one parked fiber: what the process grew by, resident pages and page tables together,
// while N fibers wait for one event. A program of its own because only a fresh process can tell.
// Usage: parked [fibers [stack_bytes]]; 0 stack bytes means the default. Prints one line of JSON.
#include <weft/weft.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct footprint {
  long resident_kb = 0;  // VmRSS: heap, slabs and stacks alike
  long tables_kb = 0;    // VmPTE: page tables of all levels
  long mappings = 0;     // lines of /proc/self/maps
};

// Works in static memory: reading the figure must not change it.
footprint measure() {
  static char line[4096];
  footprint result;
  std::FILE* status = std::fopen("/proc/self/status", "re");
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (status == nullptr || maps == nullptr) {
    std::perror("parked: /proc/self");
    std::exit(1);
  }
  while (std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, "VmRSS:", 6) == 0)
      result.resident_kb = std::atol(line + 6);
    else if (std::strncmp(line, "VmPTE:", 6) == 0)
      result.tables_kb = std::atol(line + 6);
  }
  while (std::fgets(line, sizeof line, maps) != nullptr)
    ++result.mappings;
  std::fclose(status);
  std::fclose(maps);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  const long fibers = argc > 1 ? std::atol(argv[1]) : 100'000;
  const std::size_t stack_size = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (fibers <= 0) {
    std::fprintf(stderr, "usage: parked [fibers [stack_bytes]]\n");
    return 2;
  }
  weft::spawn_options options;
  if (stack_size != 0) options.stack_size = stack_size;

  measure();  // stdio's own buffers are in the first figure
  const footprint before = measure();
  weft::event wake;
  long parked = 0, woken = 0;
  // Handles are dropped at once: a vector of them would be the program's memory, not Weft's.
  for (long i = 0; i < fibers; ++i)
    weft::spawn(options, [&] {
      ++parked;
      wake.wait();
      ++woken;
    });
  while (parked < fibers)
    weft::this_fiber::yield();
  const footprint after = measure();
  wake.set();
  while (woken < fibers)
    weft::this_fiber::yield();

  const double resident = 1024.0 * double(after.resident_kb - before.resident_kb) / double(fibers);
  const double tables = 1024.0 * double(after.tables_kb - before.tables_kb) / double(fibers);
  std::printf(
      "{\"fibers\": %ld, \"stack_size\": %zu, \"bytes_each\": %.1f, \"resident_each\": %.1f, "
      "\"tables_each\": %.1f, \"extra_mappings\": %ld}\n",
      fibers, stack_size, resident + tables, resident, tables, after.mappings - before.mappings);
}
