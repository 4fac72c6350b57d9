// struct hostent in a buffer that the caller gave, as the _r functions of <netdb.h> fill it.
#pragma once

#include <netdb.h>

#include <cstddef>
#include <string>

#include "dns/search.hpp"

namespace weft::dns {

// Bytes that pack() needs at most, wherever the buffer begins.
std::size_t packed_size(const found_host& found);

// Writes the names and addresses (all of one family) into `buffer` and points `entry` at them; false when they do not fit.
bool pack(const found_host& found, hostent& entry, char* buffer, std::size_t size);

}  // namespace weft::dns
