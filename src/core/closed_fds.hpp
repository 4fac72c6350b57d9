// What other threads tell a hub of descriptors that they close, while its fibers may wait on them.
//
// A few are named; when there are more at once, `too_many` says that the hub looks at all it waits on (io/watchers.hpp).
#pragma once

#include "core/remote.hpp"

namespace weft::core {

struct closed_fds {
  static constexpr unsigned room = 64;
  struct item {
    int fd;
    std::uint32_t version;  // of the number while it was open
  };

  // Under the lock of the list of hubs:
  item items[room];
  unsigned count = 0;
  bool too_many = false;
  bool announced = false;      // `node` is in the inbox
  bool listed = false;
  detail::hub* next = nullptr;  // in the list

  std::uint32_t mark = 0;       // this hub's bit among the watchers of a number; 0: it has never waited on one
  struct : remote_node {
  } node;
};

}  // namespace weft::core
