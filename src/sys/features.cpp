#include "sys/features.hpp"

#include <cstddef>

// libc's variable, not a function: reading it enters no code that could be interposed.
extern "C" char** environ;

namespace weft::sys {
namespace {

constexpr const char* names[] = {"guard", "mprotect", "pwait2", "nowait", "fsgsbase", "uring"};
static_assert(sizeof names / sizeof *names == static_cast<std::size_t>(feature::count));

constexpr std::uint32_t read_done = 1u << 31;
std::uint32_t missing = 0;  // one bit a feature, and read_done once WEFT_WITHOUT was looked at

bool word_in_list(const char* word, const char* list) noexcept {
  while (*list != 0) {
    const char* w = word;
    while (*w != 0 && *w == *list) ++w, ++list;
    if (*w == 0 && (*list == ',' || *list == 0)) return true;
    while (*list != 0 && *list != ',') ++list;
    if (*list == ',') ++list;
  }
  return false;
}

char** kept = nullptr;  // what environ was before the shim took Weft's settings out

const char* look_up(char** list, const char* key) noexcept {
  for (; list != nullptr && *list != nullptr; ++list) {
    const char *e = *list, *k = key;
    while (*k != 0 && *e == *k) ++e, ++k;
    if (*k == 0 && *e == '=') return e + 1;
  }
  return nullptr;
}

}  // namespace

const char* env(const char* key) noexcept {
  if (const char* value = look_up(environ, key)) return value;
  const bool own = key[0] == 'W' && key[1] == 'E' && key[2] == 'F' && key[3] == 'T' && key[4] == '_';
  return own ? look_up(kept, key) : nullptr;
}

void weft_keep_environment(char** before) noexcept { kept = before; }

const char* name(feature f) noexcept { return names[static_cast<int>(f)]; }

bool have(feature f) noexcept {
  std::uint32_t bits = __atomic_load_n(&missing, __ATOMIC_RELAXED);
  if ((bits & read_done) == 0) {
    std::uint32_t named = read_done;
    if (const char* list = env("WEFT_WITHOUT"))
      for (int i = 0; i < static_cast<int>(feature::count); ++i)
        if (word_in_list(names[i], list)) named |= 1u << i;
    bits = __atomic_or_fetch(&missing, named, __ATOMIC_RELAXED);
  }
  return (bits & 1u << static_cast<int>(f)) == 0;
}

void mark_missing(feature f) noexcept { __atomic_or_fetch(&missing, 1u << static_cast<int>(f), __ATOMIC_RELAXED); }

}  // namespace weft::sys
