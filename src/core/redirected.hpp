// Whether blocking calls of other people's code lead to Weft in this process: for reports, which say so where they do not.
#pragma once

namespace weft::core {

// Set by src/patch, before anybody can be held up by a call; never taken back.
inline bool calls_redirected = false;

}  // namespace weft::core
