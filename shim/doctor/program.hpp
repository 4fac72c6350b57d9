// `weft explain PROGRAM`: what would become of a program under `weft run`, told from its files alone.
#pragma once

#include <string>

namespace weft::doctor {

enum class verdict { green, native, unknown };

// Prints what it finds of the program (a name that execvp would look for). Runs nothing of it: the loader lists its libraries.
verdict explain(const std::string& name);

}  // namespace weft::doctor
