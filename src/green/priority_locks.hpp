// Priority-inheriting locks of green threads.
#pragma once

#include "green/rows.hpp"

namespace weft::green {

// For io::futex::pi_of_threads.
bool pi_call(const door_frame* f, int command, door_answer& a) noexcept;

}  // namespace weft::green
