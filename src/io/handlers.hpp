// The handlers of dispatch.cpp's table that do more than call one op: descriptors and processes.
#pragma once

#include "io/dispatch.hpp"

namespace weft::io {

// descriptor_handlers.cpp: what changes the meaning of a number, or a fact that is remembered of it
door_answer on_close(door_frame* f, long nr) noexcept;
door_answer on_dup(door_frame* f, long nr) noexcept;
door_answer on_dup_to(door_frame* f, long nr) noexcept;
door_answer on_close_range(door_frame* f, long nr) noexcept;
door_answer on_fcntl(door_frame* f, long nr) noexcept;
door_answer on_ioctl(door_frame* f, long nr) noexcept;
door_answer on_setsockopt(door_frame* f, long nr) noexcept;
door_answer on_shutdown(door_frame* f, long nr) noexcept;

// process_handlers.cpp
door_answer on_fork(door_frame* f, long nr) noexcept;
door_answer on_vfork(door_frame* f, long nr) noexcept;
door_answer on_clone(door_frame* f, long nr) noexcept;
door_answer on_clone3(door_frame* f, long nr) noexcept;

}  // namespace weft::io
