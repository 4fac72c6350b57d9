// Accepting without an exception for each failure: the server sees errors that are no more than a reason to try again.
#pragma once

#include <system_error>

#include "weft/endpoint.hpp"
#include "weft/stream.hpp"

namespace weft::net {

// Waits for a connection on `fd`. 0, or the errno. Throws cancelled.
int accept_one(int fd, stream& connection, endpoint& peer);

// The exception that stands for such an errno, naming the listener's address.
std::system_error accept_failure(int fd, int error);

}  // namespace weft::net
