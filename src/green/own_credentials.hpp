// Credentials of one thread. In Linux each has its own; libc's set*id functions have all threads of a process make the same call
// (credentials.hpp), but setfsuid, setfsgid, capset, and system calls that are made directly, change one. Then, and as long as threads
// differ, the carrier puts on those of whom it runs next.
#pragma once

#include "green/rows.hpp"
#include "green/thread.hpp"

namespace weft::green {

// A call that may change them, made for `t`, which runs: notes what the thread has afterwards. `call()` makes it.
door_answer change_credentials(thread& t, door_answer (*call)(door_frame* frame, long nr) noexcept, door_frame* frame, long nr) noexcept;

bool has_own_credentials(const thread& t) noexcept;
// A thread that has what most have has made a call for all of them (credentials.cpp).
void common_credentials_changed() noexcept;

// The carrier turns to a fiber. Only where some threads differ.
void put_on_credentials_of(const fiber_base* entering) noexcept;
bool credentials_differ() noexcept;

// A thread that is made by one with its own, ends, or has forked and is alone.
void share_credentials(thread& child, const thread& maker) noexcept;
void end_credentials(thread& t) noexcept;
void credentials_in_child() noexcept;

}  // namespace weft::green
