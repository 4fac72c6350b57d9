// Calls on files that know no readiness: which are tried first, which are offloaded at once, which go to a thread of their own.
//
// As all ops: the kernel's answer (>= 0 or -errno) or an ended code; pointers are a program's. `call` is always the system call as
// the program made it.
#pragma once

#include <cstddef>
#include <ctime>

#include "io/offload.hpp"

namespace weft::io {

// file_waits.cpp: calls that wait for somebody. Each is tried without waiting first.
long flock(hub& h, int fd, int operation) noexcept;
// F_SETLKW and F_OFD_SETLKW.
long lock_region(hub& h, int fd, int command, void* region) noexcept;
long msgsnd(hub& h, int queue, const void* message, std::size_t size, int flags) noexcept;
long msgrcv(hub& h, int queue, void* message, std::size_t size, long type, int flags) noexcept;
// `limit` null: no time limit.
long semtimedop(hub& h, int set, void* operations, std::size_t count, const timespec* limit) noexcept;
// mq_timedsend and mq_timedreceive, `limit` on CLOCK_REALTIME.
long mq_send(hub& h, int queue, const char* message, std::size_t size, unsigned priority, const timespec* limit) noexcept;
long mq_receive(hub& h, int queue, char* message, std::size_t size, unsigned* priority, const timespec* limit) noexcept;
long io_getevents(hub& h, unsigned long context, long least, long most, void* events, const timespec* limit) noexcept;

// ring_enter.cpp: the program's own ring.
long io_uring_enter(hub& h, int fd, unsigned submit, unsigned least, unsigned flags, const void* arg, std::size_t size) noexcept;

// file_moves.cpp: bytes from descriptor to descriptor.
long tee(hub& h, int in, int out, std::size_t size, unsigned flags) noexcept;
long vmsplice(hub& h, int fd, const void* parts, unsigned long count, unsigned flags) noexcept;

// file_paths.cpp
// `call` is an open, openat or openat2 with these words. 1: it can be made at once, and has not been.
long open(hub& h, const offload_call& call, int folder, const char* path, long flags) noexcept;
// Whether a call on the path (or, with an empty or null one, on the descriptor) may have to wait for a server.
bool far_path(int folder, const char* path) noexcept;
bool far_descriptor(int fd) noexcept;
// Whether what the path names, or the folder of what is to be made there, lies in memory: nothing to wait for. Not for symbolic links.
bool memory_path(int folder, const char* path) noexcept;
bool memory_descriptor(int fd) noexcept;

}  // namespace weft::io
