// The symbol door: libc's blocking functions under their own names, each one line of functions.def onto the handlers that the
// rewritten sites use. While it is shut (the usual state) every wrapper is a jump into libc.
#include "wrappers.hpp"

namespace weft::shim {

namespace {

constexpr cancellation point = cancellation::point, none = cancellation::none;

}  // namespace

#define WORDS(...) __VA_OPT__(, ) __VA_ARGS__

#define CALL(result_type, name, is, number, parameters, arguments, words)                          \
  static next_function next_##name{#name};                                                         \
  result_type call_##name parameters {                                                             \
    long result;                                                                                   \
    if (answered<is>(number, result WORDS words)) return static_cast<result_type>(posix(result)); \
    return reinterpret_cast<result_type(*) parameters>(next_##name.get()) arguments;               \
  }
// A jump, not an alias: the function may stand in another file.
#define ALIAS(other, name) \
  asm(".globl " #other "\n.type " #other ", @function\n.p2align 4\n" #other ": jmp " #name "\n.size " #other ", .-" #other);
#define CHECKED(result_type, name, parameters, fits, checked, checked_arguments, arguments) \
  static next_function next_##name{#name};                                                  \
  result_type call_##name parameters {                                                      \
    if (fits) [[likely]]                                                                    \
      return call_##checked checked_arguments;                                              \
    return reinterpret_cast<result_type(*) parameters>(next_##name.get()) arguments;        \
  }
#define OTHER(name, number)

#include "functions.def"

#undef CALL
#undef ALIAS
#undef CHECKED
#undef OTHER

int wrapped_functions() noexcept {
  int count = 0;
#define CALL(...) ++count;
#define ALIAS(...) ++count;
#define CHECKED(...) ++count;
#define OTHER(...) ++count;
#include "functions.def"
  return count;
}

}  // namespace weft::shim
