// Whether a value may be alive in a vector register while a site's system call runs. Where none can be, a fiber that parks there
// need not save them (5% of a server's time).
//
// The kernel preserves vector registers, so compilers keep values in them across an inline `syscall`. All of them are the callee's to
// use by the calling convention, so only these could care: the site's own function, what it passes arguments on to, its caller by a
// result, and callers that know this very function's body (GCC's -fipa-ra). Each is excluded by what the bytes show; in doubt the
// answer is yes. Start-up path only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>

#include "patch/decoder.hpp"
#include "patch/fde_table.hpp"
#include "patch/window.hpp"

namespace weft::patch {

enum class vector_use : std::uint8_t {
  possible,
  unless_called,  // none, provided that nothing in the object calls or jumps to the function directly
  none,
};

class vector_judge {
public:
  using finder = std::function<std::optional<function_range>(std::uintptr_t)>;
  vector_judge(const decoder& d, finder function_at) : decoder_(d), function_at_(std::move(function_at)) {}

  // `steps` are all of the function's instructions (and perhaps padding behind it), `site` the address of one.
  vector_use at_site(const function_range& f, std::span<const step> steps, std::uintptr_t site);

private:
  struct body {
    bool inert = false;   // calls nothing, leaves only by returning, touches no vector register
    bool opaque = false;  // calls what no compiler can have seen through: its callers hold nothing in vector registers
  };

  bool nothing_alive(const function_range& f, std::span<const step> steps, std::uintptr_t site);
  bool nothing_reads(const function_range& f, std::span<const step> steps, std::uintptr_t site);
  const body& look_at(std::uintptr_t function, int depth);
  template <class Visit>
  bool walk(const function_range& f, std::span<const step> steps, std::uintptr_t from, Visit visit);
  bool empties_vectors(const step& call, std::span<const step> behind, std::uintptr_t end);
  bool calls_unseen(std::span<const step> steps, const function_range& f, int depth);

  const decoder& decoder_;
  finder function_at_;
  std::map<std::uintptr_t, body> bodies_;
};

}  // namespace weft::patch
