// Lays the jumps over the text of loaded objects, all of them or none.
//
// Text is writable only while every other thread is stopped and this one's signals are blocked, and executable throughout:
// a policy that forbids the combination (SELinux execmem, seccomp) refuses before anything has changed, where taking the
// right to execute away first could leave a libc that cannot be made executable again.
#pragma once

#include <string>
#include <vector>

#include "patch/elf_image.hpp"
#include "patch/trampoline.hpp"

namespace weft::patch {

struct text_change {
  std::uintptr_t at;      // the window's first byte
  std::uint8_t length;    // all of it: the jump, then int3, which nobody should ever execute
  std::uintptr_t target;  // the trampoline
};

// The changes to one text segment.
struct segment_changes {
  range text;
  std::vector<text_change> changes;
};

enum class error : std::uint8_t {
  none,
  no_decoder,           // libZydis cannot be loaded
  no_such_object,       // nothing loaded answers to that name or address, or it is one that is never patched
  no_near_memory,       // no hole within 2 GiB of the text, or trampolines may not become executable
  text_not_writable,    // the system refuses to make text writable
  threads_not_stopped,  // another thread cannot be stopped safely
};

const char* describe(error e) noexcept;

struct applied {
  error code = error::none;
  std::string text;           // what exactly failed
  std::size_t segment = 0;    // which of the segments could not be written
  std::uint32_t threads = 0;  // how many were stopped
};

struct restart_point;

// `moved` and `restarts` need not be sorted.
applied apply(const std::vector<segment_changes>& segments, std::vector<moved_address> moved,
              std::vector<restart_point> restarts, std::uint64_t patience_ns);

// The bytes that `c` puts into the text.
void encode(const text_change& c, std::uint8_t* bytes) noexcept;

}  // namespace weft::patch
