// Whether a program can run with the shim preloaded, as far as its file tells: what `weft run` asks before it starts it.
#pragma once

#include <string>
#include <string_view>

namespace weft::command {

// Why the program must run natively, in words that follow "PROGRAM: "; empty when nothing speaks against it. Scripts are judged by
// their interpreter. `path` as execvp would find it; a file that cannot be read is not doubted, the kernel will have its say.
std::string reason_to_run_natively(const std::string& path);

// What follows "#!" in a file that begins so, without the blanks before the interpreter; empty for what is no script.
std::string_view interpreter_line(std::string_view file);

// As many bytes of a file's beginning as the kernel looks at to see how it is run; empty where it cannot be read.
std::string head_of(const std::string& path);

// The file that execvp would start for `name`; empty when there is none.
std::string find_program(const std::string& name);

}  // namespace weft::command
