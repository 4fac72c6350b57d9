// What the commands answer to words that they do not understand: which command it was, what is wrong, what to ask for.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <string>

namespace weft::command {

// "weft run": the command that was being given, as its user writes it.
inline std::string command_line_so_far(const CLI::App& app) {
  const auto given = app.get_subcommands();
  return "weft" + (given.empty() ? std::string() : " " + given.front()->get_name());
}

// The long options that begin most as `word` does, for one that was written half or not quite right.
inline std::string options_like(const CLI::App& command, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::string found;
  std::ptrdiff_t longest = 4;  // "--" and two letters at least
  for (const CLI::Option* option : command.get_options())
    for (const std::string& known : option->get_lnames()) {
      const std::string whole = "--" + known;
      const std::ptrdiff_t alike = std::mismatch(name.begin(), name.end(), whole.begin(), whole.end()).first - name.begin();
      if (alike > longest) found.clear();
      if (alike >= longest) found += (found.empty() ? "" : " or ") + whole, longest = alike;
    }
  return found;
}

// For CLI::App::failure_message.
inline std::string complaint(const CLI::App* app, const CLI::Error& e) {
  const std::string so_far = command_line_so_far(*app);
  return so_far + ": " + e.what() + "\n`" + so_far + " --help` says what there is\n";
}

}  // namespace weft::command
