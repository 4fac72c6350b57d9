// Runs once, in the shim's constructor: libc is ready, there is usually one thread, malloc may be used.
//
// The strings of the old environment and its array stay: /proc/self/environ shows them, and Weft reads its settings there later.
#include "settings.hpp"

#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "sys/features.hpp"
#include "sys/size_text.hpp"

namespace weft::shim {
namespace {

bool is_shim(std::string_view object) { return object.substr(object.rfind('/') + 1) == "libweft-shim.so"; }

// The list without the shim; ld.so(8) separates by colons and blanks.
std::string without_shim(std::string_view list) {
  std::string rest;
  while (!list.empty()) {
    const std::string_view object = list.substr(0, list.find_first_of(": "));
    list.remove_prefix(object.size() == list.size() ? list.size() : object.size() + 1);
    if (object.empty() || is_shim(object)) continue;
    if (!rest.empty()) rest += ':';
    rest += object;
  }
  return rest;
}

}  // namespace

void set_thread_stacks() {
  const char* text = std::getenv("WEFT_GREEN_STACK");
  if (text == nullptr || *text == 0) return;
  pthread_attr_t as_now;
  int error = pthread_getattr_default_np(&as_now);
  if (error == 0) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    error = pthread_attr_setstacksize(&as_now, (sys::parse_size(text) + page - 1) / page * page);
    if (error == 0) error = pthread_setattr_default_np(&as_now);
    pthread_attr_destroy(&as_now);
  }
  if (error != 0) std::fprintf(stderr, "weft: WEFT_GREEN_STACK=%s: %s: stacks keep their size\n", text, std::strerror(error));
}

void hide_from_children() {
  const char* setting = std::getenv("WEFT_CHILDREN");
  if (setting == nullptr || std::strcmp(setting, "0") != 0) return;
  std::size_t count = 0;
  while (environ[count] != nullptr) ++count;
  char** fresh = static_cast<char**>(std::malloc((count + 1) * sizeof *fresh));
  if (fresh == nullptr) return;
  std::size_t used = 0;
  constexpr std::string_view preload = "LD_PRELOAD=";
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view entry = environ[i];
    if (entry.starts_with("WEFT_")) continue;
    fresh[used] = environ[i];
    if (entry.starts_with(preload)) {
      const std::string rest = without_shim(entry.substr(preload.size()));
      if (rest.empty()) continue;
      char* text = strdup((std::string(preload) + rest).c_str());
      if (text != nullptr) fresh[used] = text;
    }
    ++used;
  }
  fresh[used] = nullptr;
  sys::weft_keep_environment(environ);
  environ = fresh;
}

}  // namespace weft::shim
