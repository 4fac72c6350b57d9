// What the commands answer to words that they do not understand: which command it was, what is wrong, what to ask for. CLI11 knows what
// is wrong; its own words for it are a programmer's.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <sstream>
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

inline std::string no_such_option(const CLI::App& command, const std::string& word) {
  const std::string like = options_like(command, word);
  return "there is no option " + word + (like.empty() ? "" : "; is it " + like + "?");
}

inline std::string in_capitals(std::string word) {
  for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return word;
}

// With what cannot be left out: "weft run -- PROGRAM", "weft ps PID".
inline std::string shortest_form(const CLI::App& command, std::string so_far) {
  if (command.get_prefix_command()) so_far += " --";
  for (const CLI::Option* option : command.get_options())
    if (option->get_positional() && option->get_required()) so_far += " " + in_capitals(option->get_name(true));
  return so_far;
}

// CLI11's error, said anew where its user would have to know CLI11.
inline std::string in_own_words(const CLI::App& app, const CLI::App& command, const CLI::Error& e) {
  const std::string said = e.what(), form = shortest_form(command, command_line_so_far(app));
  const std::string about = said.substr(0, said.find(": "));
  if (dynamic_cast<const CLI::RequiredError*>(&e) != nullptr) {
    for (const CLI::Option* option : command.get_options())
      if (option->get_positional() && option->get_required() && option->count() == 0)
        return "no " + in_capitals(option->get_name(true)) + " is given: " + form;
  } else if (dynamic_cast<const CLI::ArgumentMismatch*>(&e) != nullptr && about != said) {
    return about + " wants a value behind it";
  } else if (const std::size_t is = said.find(" = "); dynamic_cast<const CLI::ConversionError*>(&e) != nullptr && is != std::string::npos) {
    const std::string name = said.substr(about.size() + 2, is - about.size() - 2), word = said.substr(is + 3);
    if (name != "pid") return name + ": " + word + " is no number";
    const bool name_given = std::any_of(word.begin(), word.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
    return word + " is no process's number" + (name_given ? "; `pgrep " + word + "` tells that of a program" : "");
  } else if (dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr && said.starts_with("The following argument")) {
    for (const std::string& word : app.remaining(true))
      if (word != "--") return word.starts_with('-') ? no_such_option(command, word) : word + " is one word too many: " + form;
  }
  return said;
}

// For CLI::App::failure_message.
inline std::string complaint(const CLI::App* app, const CLI::Error& e) {
  const std::string so_far = command_line_so_far(*app);
  const auto given = app->get_subcommands();
  return so_far + ": " + in_own_words(*app, given.empty() ? *app : *given.front(), e) + "\n`" + so_far + " --help` says what there is\n";
}

// For CLI::Option::check: a number of that kind, within these.
template <class T>
CLI::Validator number_from(T least, T most) {
  const auto check = [least, most](std::string& word) -> std::string {
    T value{};
    if (CLI::detail::lexical_cast(word, value) && value >= least && value <= most) return {};
    std::ostringstream wrong;
    wrong << word << " is not a number from " << least << " to " << most;
    return wrong.str();
  };
  return CLI::Validator(check, "");
}

// For CLI::Option::transform: bytes, or with a unit; `bounds` says which are taken, in words.
inline CLI::Validator size_from(std::uint64_t least, std::uint64_t most, const std::string& bounds) {
  const auto read = [least, most, bounds](std::string& word) -> std::string {
    const std::string wrong = word + " is no size from " + bounds + ": bytes, or a number with k, m, g or t behind it";
    std::string bytes = word;
    std::uint64_t value = 0;
    try {
      if (!CLI::AsSizeValue(false)(bytes).empty()) return wrong;
    } catch (const CLI::ValidationError&) {
      return wrong;
    }
    if (!CLI::detail::lexical_cast(bytes, value) || value < least || value > most) return wrong;
    word = bytes;
    return {};
  };
  return CLI::Validator(read, "");
}

}  // namespace weft::command
