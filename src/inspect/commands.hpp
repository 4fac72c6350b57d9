// The commands, after their options were read. Each answers with the exit status; those that look into a process throw failure.
#pragma once

#include <string>
#include <sys/types.h>

namespace weft::inspect {

struct ps_options {
  pid_t pid = 0;
  bool json = false, group = false, all = false;
};
int ps(const ps_options& o);

struct bt_options {
  pid_t pid = 0;
  std::string who;                 // thread id, address or name; empty: all
  bool json = false, all = false;
  bool fold = true;
  bool whole = false;              // all frames (core/plumbing.hpp)
  unsigned frames = 64;
};
int bt(const bt_options& o);

struct top_options {
  pid_t pid = 0;
  double interval = 1;
  unsigned count = 0;              // 0: until the program ends, or the command is interrupted
  unsigned rows = 10;
};
int top(const top_options& o);

struct killed_trace_options {
  std::string file;                // FILE, or FILE.raw
  std::string to;                  // empty: FILE
};
int killed_trace(const killed_trace_options& o);

}  // namespace weft::inspect
