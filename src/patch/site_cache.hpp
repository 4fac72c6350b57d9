// Site tables kept from run to run, one file an object, named by its build-id. A scan of libc takes milliseconds and the decoder;
// a table that is there takes neither.
//
// A table is used only when it was made by this very build of Weft from an object with the same build-id and segments, is whole, and
// the bytes at every site are those it was made from. Anything else is as if it were not there.
#pragma once

#include "patch/cache_folder.hpp"
#include "patch/registry.hpp"

namespace weft::patch {

// Fills in sites and displaced code of `o`, whose image is set. False without a table that can be trusted.
bool load_sites(const cache_folder& folder, known_object& o);

// Keeps what a scan of `o` has found, before anything of it is patched. Failing is of no consequence.
void store_sites(const cache_folder& folder, const known_object& o);

}  // namespace weft::patch
