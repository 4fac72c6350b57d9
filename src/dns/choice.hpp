// Who answers: Weft's resolver or libc's.
#pragma once

namespace weft::dns {

// WEFT_RESOLV_CONF names a file: Weft's resolver answers whatever else would be.
bool own_resolv_conf();

// WEFT_RESOLVER=libc. Read once.
bool libc_wanted();

// For the interposed functions, whose program may know nothing of Weft: true when the calling thread has other fibers, which a look-up by
// libc would hold up, or WEFT_RESOLV_CONF is set. Never with WEFT_RESOLVER=libc.
bool weft_answers();

}  // namespace weft::dns
