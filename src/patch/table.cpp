// The handler table itself: zero-filled, so that every site passes through until somebody wants its calls.
#include "patch/dispatch.hpp"

namespace weft::patch {

handler weft_patch_handlers[handler_count];

int (*weft_patch_due)(call_frame* frame) = [](call_frame*) { return 0; };
int weft_patch_self[2];

}  // namespace weft::patch
