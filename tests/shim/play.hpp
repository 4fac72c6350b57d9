// A scene of blocking libc calls by a few actors, played by OS threads or by fibers: the words they say must be the same.
//
// Scenes are plain libc code that knows nothing of Weft. They order themselves by what they send each other, never by time, and say
// nothing that depends on luck (descriptor numbers, ports, how much a buffer holds).
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

// A scene that lost its way says wrong words or hangs: results that are not said need no look.
#pragma GCC diagnostic ignored "-Wunused-result"

namespace weft_test {

class lines {
public:
  // "what: result" or "what: ENAME" for a call that returned -1.
  void call(const char* what, long result) {
    const int error = errno;
    text_ += std::string(what) + ": " + (result >= 0 ? std::to_string(result) : strerrorname_np(error)) + "\n";
  }
  void say(const std::string& what) { text_ += what + "\n"; }
  const std::string& text() const { return text_; }

private:
  std::string text_;
};

using actor = std::function<void(lines&)>;

// Plays all at once and returns when every one is done. Set by the test: threads or fibers.
extern void (*run_all)(std::vector<std::function<void()>>);

inline void play(std::vector<actor> actors) {
  std::vector<lines> said(actors.size());
  std::vector<std::function<void()>> parts;
  for (std::size_t i = 0; i < actors.size(); ++i) parts.push_back([&, i] { actors[i](said[i]); });
  run_all(std::move(parts));
  for (std::size_t i = 0; i < actors.size(); ++i) std::printf("-- actor %zu\n%s", i, said[i].text().c_str());
}

struct scene {
  const char* name;
  void (*run)();
  bool parks = true;         // whether fibers must have parked in it
  bool inside_libc = false;  // waits inside libc (stdio), where no interposed function is: only rewritten sites reach there
};

}  // namespace weft_test
