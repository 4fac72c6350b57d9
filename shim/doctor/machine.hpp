// `weft doctor`: what this machine and this session allow, found out by trying where that is possible.
#pragma once

#include <string>
#include <vector>

#include "finding.hpp"

namespace weft::doctor {

// What the kernel can do for Weft.
std::vector<finding> kernel_findings();

// How many descriptors, mappings, threads and how much memory there may be.
std::vector<finding> limit_findings();

// What `program` (trial.c) did under `weft_command run --strict`: made a thread, slept, waited for a futex, all on one OS thread.
finding trial(const std::string& weft_command, const std::string& program);

}  // namespace weft::doctor
