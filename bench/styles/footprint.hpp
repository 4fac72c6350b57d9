// What a process has taken: resident pages and page tables, in kilobytes. For the programs that measure many waiting things.
// Works in static memory: reading the figure must not change it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

inline long footprint_kb() {
  static char line[4096];
  long kb = 0;
  std::FILE* status = std::fopen("/proc/self/status", "re");
  if (status == nullptr) {
    std::perror("/proc/self/status");
    std::exit(1);
  }
  while (std::fgets(line, sizeof line, status) != nullptr)
    if (std::strncmp(line, "VmRSS:", 6) == 0 || std::strncmp(line, "VmPTE:", 6) == 0) kb += std::atol(line + 6);
  std::fclose(status);
  return kb;
}

inline double cpu_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}
