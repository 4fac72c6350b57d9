// What a trace looks like while it is recorded: the layout of one mapping, which is a file beside the one that was asked for wherever
// that can be, so that it outlives a process that is killed. `weft trace` and the process's own end read it (src/trace/json.cpp).
//
// Plain data without pointers into the process that anybody would follow: names are copied. All of it is bounded: the chunks are
// used again when there are no more, oldest first, and `overwritten` counts what went.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::core::trace {

// What a record says. `who` is the address of a fiber's control block.
enum class kind : std::uint8_t {
  none,
  run,      // who runs from now on; whoever ran before does not
  park,     // who waits for `name`; `about` according to `detail`
  until,    // before a park: its deadline, on the hub's clock
  wake,     // who's wait is over; detail: why (detail::wake)
  ready,    // who ran steps aside, and is ready; detail: a turn_over
  spawn,    // who was made by whoever runs
  end,      // who is over
  turn,     // the hub looks at the world; about: the longest that it waits, in nanoseconds (~0: for ever)
  polled,   // that wait is over; about: how many descriptors were reported
  turned,   // the look is over
  post,     // sent to another hub; about: the node's address
  remote,   // what another thread has sent is run now; about: the node's address
  offload,  // who's call goes to somebody who can wait; about: the call's number; detail: an offloaded_to
  done,     // that call is over; about: its result
  signal,   // about: a signal's number, which came to Weft while who ran
  words,    // before a park: a piece of what it is about, in `name` and `about`; several may follow each other
  stall,    // the watchdog found the hub standing still while who ran; about: for how long, name: in which system call + 1, 0: in none
};
inline constexpr kind last_kind = kind::stall;

enum turn_over : std::uint8_t { yielded, preempted, seen };  // seen: it was ready when the recording began
enum offloaded_to : std::uint8_t { to_ring, to_thread };
// What record::about of a park is, in `detail`.
enum about_what : std::uint8_t { about_nothing, about_descriptor, about_futex, about_call, about_name };
// Of `words`, so many letters are in a piece, and so many are kept of all.
inline constexpr std::size_t letters_in_piece = 12, most_letters = 60;
// Of a run or a signal, in `detail`: it is Weft's own fiber, whose running is the hub's work.
inline constexpr std::uint8_t of_the_hub = 1;

struct record {
  std::uint64_t when;           // cycle counter; of a hub with a virtual clock, that clock's nanoseconds
  std::uint64_t who : 48, what : 8, detail : 8;
  std::uint32_t epoch;          // fiber_base::epoch, which names one life of a control block
  std::uint32_t name;           // park: of the reason, as an index into the names + 1
  std::uint64_t about;
};
static_assert(sizeof(record) == 32);

inline constexpr std::uint32_t records_in_chunk = 1023;

// Records of one hub, in order.
struct chunk {
  std::uint64_t sequence;       // grows from chunk to chunk, over all hubs
  std::uint32_t hub;            // numbered from 1; 0: never used
  std::uint32_t thread;         // that hub's OS thread
  std::uint32_t open;           // it is being written
  std::uint32_t used;           // may be beyond records_in_chunk
  std::uint32_t virtual_time;
  std::uint32_t unused;
  record at[records_in_chunk];
};
static_assert(sizeof(chunk) == 32 * 1024);

// A reason's text, found by the address of the string.
struct name {
  std::uint64_t key;
  char text[40];
};
inline constexpr std::uint32_t name_count = 1024;

// What a fiber is called while its epoch lies between the two.
struct label {
  std::uint64_t who;
  std::uint32_t first_epoch, last_epoch;
  std::uint32_t tid;            // of a green thread; else 0
  std::uint32_t is_main;
  char text[40];
};
static_assert(sizeof(label) == 64);
inline constexpr std::uint32_t label_count = 1u << 14;
inline constexpr std::uint32_t label_probes = 16;

inline constexpr std::size_t run_bytes = 48;
inline constexpr std::uint64_t magic = 0x3165636172745457;  // "WTtrace1"

struct header {
  std::uint64_t magic;
  std::uint32_t process;
  std::uint32_t chunks;
  char program[16];
  char run[run_bytes];                   // common to all processes of a run
  std::uint64_t first_cycles, first_ns;  // the same moment on both clocks
  std::uint64_t last_cycles, last_ns;    // a later one
  std::uint64_t virtual_base;            // where the virtual clock stood first; 0: there is none
  std::uint64_t next_chunk;              // how many were begun
  std::uint64_t overwritten;             // records that are gone
  std::uint64_t lost;                    // records for which there was no place
  std::uint64_t unnamed;                 // fibers whose names found none
  std::uint32_t hubs;
  std::uint32_t labels_lock;
  std::uint64_t forked_from;             // process; 0: none
  name names[name_count];
  label labels[label_count];
};

constexpr std::size_t header_bytes = (sizeof(header) + 4095) / 4096 * 4096;
constexpr std::size_t bytes_for(std::uint32_t chunks) noexcept { return header_bytes + std::size_t{chunks} * sizeof(chunk); }

inline header& head(void* map) noexcept { return *static_cast<header*>(map); }
inline chunk* chunks_of(void* map) noexcept { return reinterpret_cast<chunk*>(static_cast<char*>(map) + header_bytes); }

inline std::uint32_t hash(std::uint64_t v) noexcept { return static_cast<std::uint32_t>(v * 0x9e3779b97f4a7c15 >> 32); }

}  // namespace weft::core::trace
