// A change of credentials that libc makes for all threads of the process.
#pragma once

#include "green/thread.hpp"

namespace weft::green {

inline constexpr int credentials_signal = 33;  // libc's SIGSETXID

// `asker` sends that signal to a green thread: it is about to change the credentials.
void ask_for_credentials(const thread& asker) noexcept;

// In the child of a fork: a round that another thread had begun does not go on.
void credentials_after_fork() noexcept;

}  // namespace weft::green
