// weft trace: makes the trace of a process that was killed, from what it recorded.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/commands.hpp"
#include "trace/json.hpp"

namespace weft::inspect {
namespace {

constexpr std::string_view raw_ending = ".raw";

int fail(const std::string& file, const char* why) {
  std::fprintf(stderr, "weft: %s: %s\n", file.c_str(), why);
  return 1;
}

}  // namespace

int killed_trace(const killed_trace_options& o) {
  const std::string& file = o.file;
  const bool is_raw = file.size() > raw_ending.size() && std::string_view(file).substr(file.size() - raw_ending.size()) == raw_ending;
  const std::string raw = is_raw ? file : file + std::string(raw_ending);
  const int from = open(raw.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0 && errno == ENOENT && access(file.c_str(), R_OK) == 0)
    return fail(file, ("there is no " + raw + ": a process that ended by itself has written its trace whole already").c_str());
  struct stat facts {};
  if (from < 0 || fstat(from, &facts) != 0) return fail(raw, std::strerror(errno));
  const auto bytes = static_cast<std::size_t>(facts.st_size);
  void* map = bytes == 0 ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, from, 0);
  close(from);
  if (map == MAP_FAILED || !trace::is_recording(map, bytes)) return fail(raw, "is no trace that Weft recorded");
  const std::string path = !o.to.empty() ? o.to : raw.substr(0, raw.size() - raw_ending.size());
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return fail(path, std::strerror(errno));
  const long error = trace::write_json(map, fd, "not seen by the process");
  close(fd);
  return error == 0 ? 0 : fail(path, std::strerror(static_cast<int>(-error)));
}

}  // namespace weft::inspect
