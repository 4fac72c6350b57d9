// What happens to fibers, recorded for a trace (WEFT_TRACE, weft::trace_start): each function here notes one thing in memory.
//
// Costs nothing while there is no trace. hub::traced is one of the four bytes that each switch looks at together anyway
// (care_needed, switch.hpp): a traced hub leaves the usual park and yield for the careful ones, and only those ask again. Where a
// fiber is woken, made or over, it is one comparison with a byte of a cache line that is written there in any case.
// Freestanding; safe in signal handlers and between two instructions of libc.
#pragma once

#include "core/hub.hpp"
#include "core/trace_format.hpp"

namespace weft::core {

namespace trace {

// Each notes one thing; see trace_format.hpp. Called where h.traced is set.
void run(hub& h, const fiber_base* f) noexcept;
void park(hub& h, const waiter& w, detail::nanos deadline) noexcept;
void wake(hub& h, const fiber_base* f, detail::wake why) noexcept;
void ready(hub& h, const fiber_base* f, turn_over why) noexcept;
void spawn(hub& h, const fiber_base* f) noexcept;
void end(hub& h, const fiber_base* f) noexcept;
void turn(hub& h, std::uint64_t timeout) noexcept;
void polled(hub& h, int reported) noexcept;
void turned(hub& h) noexcept;
void post(remote_node& n) noexcept;     // on the sender's thread
void remote(hub& h, remote_node& n) noexcept;
void offload(hub& h, long call, offloaded_to to) noexcept;
void done(hub& h, const fiber_base* maker, long result) noexcept;
void signal(int number) noexcept;       // on the thread that it came to
void stall(hub& h, detail::nanos lasted, long system_call) noexcept;  // likewise; no call: negative

// What the next park of the running fiber is about.
inline void about(hub& h, about_what what, std::uint64_t value) noexcept {
  if (!h.traced) [[likely]]
    return;
  h.tracer.about_what = what;
  h.tracer.about = value;
}

// The same with a name, for as long as this lives: it is read when the fiber parks.
class about_named {
public:
  about_named(hub& h, const char* name) noexcept : hub_(h) { about(h, about_name, reinterpret_cast<std::uint64_t>(name)); }
  ~about_named() { about(hub_, about_nothing, 0); }
  about_named(const about_named&) = delete;
  about_named& operator=(const about_named&) = delete;

private:
  hub& hub_;
};

// What a fiber is called; `tid` of a green thread. May be called again.
void label(hub& h, const fiber_base* f, const char* text, std::uint32_t tid) noexcept;

// Whether anything is recorded in this process.
bool on() noexcept;

// ---- for src/trace

// Where a trace goes.
struct target {
  char path[4096];       // absolute; of the trace that is to be made
  char raw[4096 + 40];   // of the file that is mapped meanwhile; empty: there is none, and memory of the process serves
  void* map;             // null: nothing was ever recorded
  std::uint32_t chunks;
};
extern target current;

// What the next trace is to be: `path` is absolute; `run` names all the processes that share it; about `bytes` of memory. 0, or -errno.
long ask(const char* path, const char* run, std::uint64_t bytes) noexcept;
// Makes that file an empty trace. 0, or -errno: it cannot be written.
long prepare_file() noexcept;
// From now on what happens is recorded, in memory that the first record makes; hubs have to be told (hub::traced).
void begin() noexcept;
// trace_file.cpp: that memory, for this process. False: none to be had.
bool make() noexcept;
// No more records. Those that are being written may still come.
void stop() noexcept;
// In a child of fork: what is recorded from now on is its own, in a file of its own that the first record makes.
void after_fork(hub* h) noexcept;
// The process that `current.map` is of; 0: none.
long owner() noexcept;
// Set by src/green: what a green thread is called (16 bytes), and its id.
extern std::uint32_t (*thread_label)(const fiber_base* f, char* text) noexcept;
// A hub that records no more gives its chunk back.
void hub_over(hub& h) noexcept;
// Notes where both clocks stand.
void note_clocks() noexcept;

}  // namespace trace
}  // namespace weft::core
