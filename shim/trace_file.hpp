// `weft trace`: makes the trace of a process that was killed, from what it recorded.
#pragma once

#include <string>

namespace weft::command {

// From FILE, or FILE.raw, to `to`; empty: FILE. The exit status.
int convert_trace(const std::string& file, const std::string& to);

}  // namespace weft::command
