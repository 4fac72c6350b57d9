// The main door: redirects the `syscall` instructions of loaded objects to Weft's handlers (dispatch.hpp), at run time.
//
// Needs nothing of the program: no preload, no recompilation. A call of any of these functions takes some milliseconds, uses
// libc and malloc, stops the process's other threads for about one, and may come from any thread; several wait for each
// other. None throws anything but std::bad_alloc. Sites stay redirected for good; a handler can be taken back any time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "patch/apply.hpp"
#include "patch/dispatch.hpp"
#include "patch/site.hpp"

namespace weft::patch {

struct options {
  // Whether sites that make system call `nr` are redirected; -1 asks for those whose number is only known at run time.
  // Null: those with a handler at the time of the call, and all of unknown number.
  bool (*wanted)(long nr) = nullptr;
  // Objects (by path) to leave alone besides those that are never patched. Null: none.
  bool (*skip)(const char* path) = nullptr;
  // How long other threads have to answer the stop signal.
  std::uint64_t patience_ns = 2'000'000'000;
};

struct object_report {
  std::string path;               // empty for the main program
  const char* skipped = nullptr;  // why nothing of it was looked at
  std::string failed;             // why nothing of it was changed
  int sites = 0;                  // real syscall instructions
  int patched = 0;                // redirected, by this call or an earlier one
  int left_alone = 0;             // not wanted, or the signal return stub
  int unpatchable = 0;            // wanted, but impossible
};

struct result {
  error code = error::none;  // of the first object that failed; the others are patched all the same
  std::string text;          // what failed, in words; empty without an error
  int sites = 0, patched = 0, left_alone = 0, unpatchable = 0;
  int newly_patched = 0;              // 0 on a second call with the same wishes
  std::uint32_t stopped_threads = 0;
  std::uint64_t scan_ns = 0, patch_ns = 0;
};

// Redirects the sites of every loaded object but those that are never patched: Weft itself, the loader, the vDSO, sanitizer
// run-times, Valgrind's. Objects loaded later are redirected by calling again.
result patch_all_objects(const options& o = {});

// Of the object whose file name begins with `name` ("libc.so"), or which holds `address`.
result patch_object_named(std::string_view name, const options& o = {});
result patch_object_at(const void* address, const options& o = {});

// Whether any site has been redirected in this process.
bool active() noexcept;

// One row an object that was looked at, in the order of the loader.
std::vector<object_report> report();

// A site that is not redirected, for WEFT_DEBUG and tests.
struct site_report {
  std::string object;
  site what;
  bool patched;
};
std::vector<site_report> sites();

}  // namespace weft::patch
