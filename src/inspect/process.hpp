// What the kernel tells of another process in /proc: names, threads, mappings. Nothing here needs the process to stand still.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <unordered_map>
#include <vector>

#include "inspect/memory.hpp"

namespace weft::inspect {

// Ends the command: the text says what is the matter and what to do about it.
struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A whole file; empty when it cannot be read.
std::string file_text(const std::string& path);
// Where a link of /proc points; empty when it cannot be read.
std::string link_text(const std::string& path);

struct mapping {
  address begin, end;
  std::uint64_t offset;
  bool executable;
  std::string path;  // as the process sees it; "[stack]" and its like; empty: anonymous
};

// What an OS thread does according to /proc/PID/task/TID/syscall.
struct kernel_call {
  enum class kind { unknown, running, blocked } what = kind::unknown;
  long number = -1;  // of the system call; -1: blocked outside of one
  std::uint64_t arguments[6] = {};
  address stack_pointer = 0, program_counter = 0;
};

class process {
public:
  // Throws failure when there is none, or when the caller may not look into it.
  explicit process(pid_t pid);

  pid_t pid() const { return pid_; }
  const std::string& name() const { return name_; }  // as ps(1) has it
  std::string proc(std::string_view file) const;     // "/proc/PID/" and the file
  // A path of the process's own file system, as seen from here.
  std::string outside(const std::string& path) const;

  const std::vector<mapping>& mappings() const { return mappings_; }
  void read_mappings();
  const mapping* mapping_of(address at) const;

  // Ids of all OS threads as seen from here.
  std::vector<pid_t> threads() const;
  // The id, as seen from here, of the thread that calls itself `inner`; 0: none such. They differ in another PID namespace.
  pid_t thread_called(std::uint32_t inner) const;
  pid_t inner_id(pid_t thread) const;
  std::string thread_name(pid_t thread) const;
  kernel_call call_of(pid_t thread) const;
  bool alive() const;

  // Why the kernel refused a look (`error`), and what to do.
  [[noreturn]] void refuse(int error) const;

private:
  pid_t pid_;
  std::string name_;
  std::vector<mapping> mappings_;
  bool other_ids_ = false;  // it lives in a PID namespace of its own
};

}  // namespace weft::inspect
