// Which address families this machine has addresses of, loopback aside: what AI_ADDRCONFIG asks.
#pragma once

namespace weft::dns {

struct families_seen {
  bool v4 = false, v6 = false;
};

// Both, when the kernel does not tell.
families_seen families_configured();

}  // namespace weft::dns
