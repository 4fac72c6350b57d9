#include "patch/symbols.hpp"

namespace weft::patch {

handler* weft_symbol_handlers = nullptr;

namespace {
int offered = 0;
}

void weft_symbols_offer(int functions) { __atomic_store_n(&offered, functions, __ATOMIC_RELEASE); }

int symbols_offered() noexcept { return __atomic_load_n(&offered, __ATOMIC_ACQUIRE); }
void open_symbols() noexcept { __atomic_store_n(&weft_symbol_handlers, &weft_patch_handlers[0], __ATOMIC_RELEASE); }
bool symbols_open() noexcept { return __atomic_load_n(&weft_symbol_handlers, __ATOMIC_ACQUIRE) != nullptr; }

}  // namespace weft::patch
