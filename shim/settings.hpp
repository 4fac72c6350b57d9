// What the environment asks of the preloaded shim besides patching: the size of pthread stacks, and whom the settings reach.
#pragma once

namespace weft::shim {

// WEFT_GREEN_STACK: the size of the stacks of pthreads whose creator names none. Before the program's first thread.
void set_thread_stacks();

// WEFT_CHILDREN=0: programs that this one starts find neither the shim in LD_PRELOAD nor any WEFT_ variable. Last of what happens
// before main: everything of Weft reads its settings by sys::env, which remembers them.
void hide_from_children();

}  // namespace weft::shim
