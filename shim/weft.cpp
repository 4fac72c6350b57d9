// The `weft` command: turns options into the environment that the preloaded shim reads, and becomes the program.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "doubt.hpp"
#include "inspect/complaint.hpp"
#include "own_path.hpp"
#include "start_error.hpp"

namespace {

// What belongs to this command: beside it in a build tree, or installed in `installed`, a folder relative to that of the command.
std::string find_own(const std::string& name, const std::string& installed) {
  const std::string folder = weft::command::own_folder();
  for (const std::string& place : {folder + "/" + name, folder + "/" + installed + "/" + name})
    if (access(place.c_str(), R_OK) == 0) return place;
  return {};
}

std::string find_shim() { return find_own("libweft-shim.so", WEFT_SHIM_FOLDER); }

// Subcommands that are programs of their own: `weft run` is to start fast, and loads nothing of theirs.
struct tool {
  const char* word;
  const char* program;
  const char* what;
};
constexpr tool tools[] = {
    {"doctor", "weft-doctor", "What this machine supports, what Weft does therefore, and what to change."},
    {"explain", "weft-doctor", "Why a program can or cannot run green, before it is run."},
    {"ps", "weft-inspect", "What each fiber and green thread of a running process does, a line each: ps PID"},
    {"bt", "weft-inspect", "Where each of them stands, its backtrace: bt PID [TID]"},
    {"top", "weft-inspect", "What a process does, again and again: switches, parks, who runs most: top PID"},
    {"trace", "weft-inspect", "Make the trace of a process that was killed while it ran with --trace: trace FILE"},
};

int become(const tool& t, char** argv) {
  const std::string path = find_own(t.program, WEFT_TOOL_FOLDER);
  if (path.empty()) {
    std::fprintf(stderr, "weft: %s, which does `weft %s`, is not installed with this command\n", t.program, t.word);
    return 127;
  }
  setenv("WEFT_COMMAND_PATH", weft::command::own_path().c_str(), 1);
  execv(path.c_str(), argv);
  std::fprintf(stderr, "weft: %s: %s\n", path.c_str(), std::strerror(errno));
  return 126;
}

struct run_options {
  std::string mode = "green";
  unsigned carriers = 1;
  std::uint64_t stack_size = 0;   // 0: as the program and RLIMIT_STACK say
  unsigned long watchdog_ms = 0;  // 0: none
  std::string stats;  // where to: 1, or the path of a file; empty: nowhere
  std::string trace;  // where to; empty: nowhere
  bool verbose = false;
  bool strict = false;
  bool no_children = false;
  std::vector<std::string> words;
};

void set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }

// What was not asked for stays as the caller's environment has it.
void set_environment(const run_options& o, const std::string& shim) {
  const char* before = std::getenv("LD_PRELOAD");
  set("LD_PRELOAD", before != nullptr && *before != 0 ? shim + ":" + before : shim);
  set("WEFT_MODE", o.mode);
  if (o.carriers > 1) std::fprintf(stderr, "weft: --carriers %u: there is one carrier so far, the program runs on that\n", o.carriers);
  if (o.stack_size != 0) set("WEFT_GREEN_STACK", std::to_string(o.stack_size));
  if (o.watchdog_ms != 0) set("WEFT_WATCHDOG", std::to_string(o.watchdog_ms));
  // A table goes to standard error for this program even if it made no green thread.
  if (!o.stats.empty()) set("WEFT_STATS", o.stats == "1" ? std::to_string(getpid()) : o.stats);
  if (!o.trace.empty()) {
    set("WEFT_TRACE", o.trace);
    unsetenv("WEFT_TRACE_RUN");  // of another run, from within which this one is started
  }
  if (o.verbose) set("WEFT_DEBUG", "1");
  if (o.strict) set("WEFT_STRICT", "1");
  if (o.no_children) set("WEFT_CHILDREN", "0");
}

[[nodiscard]] int start(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& w : words) argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  const int error = errno;
  std::fprintf(stderr, "weft: %s: %s\n", argv[0], weft::command::why_not_started(words.front(), error).c_str());
  return error == ENOENT ? 127 : 126;  // as a shell answers
}

int run(const run_options& o) {
  const std::string why = weft::command::reason_to_run_natively(weft::command::find_program(o.words.front()));
  if (!why.empty()) {
    std::fprintf(stderr, "weft: %s: %s: %s\n", o.words.front().c_str(), why.c_str(),
                 o.strict ? "not run (--strict)" : "runs natively");
    return o.strict ? 126 : start(o.words);
  }
  const std::string shim = find_shim();
  if (shim.empty()) {
    std::fprintf(stderr, "weft: libweft-shim.so is not beside this command\n");
    return 127;
  }
  set_environment(o, shim);
  return start(o.words);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1)
    for (const tool& t : tools)
      if (std::strcmp(argv[1], t.word) == 0) return become(t, argv);

  if (argc > 1 && argv[1][0] != '-' && std::strcmp(argv[1], "run") != 0) {
    std::fprintf(stderr, "weft: there is no subcommand %s; a program of that name is run by: weft run -- %s\n", argv[1], argv[1]);
    std::fputs("`weft --help` lists the subcommands\n", stderr);
    return static_cast<int>(CLI::ExitCodes::ExtrasError);
  }

  CLI::App app{"Weft: green threads for programs written with blocking calls", "weft"};
  app.set_version_flag("--version", "weft " WEFT_VERSION);
  app.require_subcommand(0, 1);
  app.failure_message(weft::command::complaint);

  CLI::App* run_command = app.add_subcommand(
      "run", "Run a program with its threads as green threads: a pthread_create makes one, a blocking call parks it. Exit status, "
             "signals, standard input and output are the program's own.");
  // A flag that may have a value is "--stats{1}" to CLI11, which nobody should have to read.
  run_command->formatter_fn([](const CLI::App* command, std::string name, CLI::AppFormatMode mode) {
    std::string help = CLI::Formatter().make_help(command, std::move(name), mode);
    const std::string shown = "--stats{1}     ";
    if (const std::size_t at = help.find(shown); at != std::string::npos) help.replace(at, shown.size(), "--stats[=/PATH]");
    return help;
  });
  run_options o;
  bool native_on_doubt = false;
  run_command->add_option("--mode", o.mode, "green (the default), or fibers: pthreads stay threads of the kernel, and only blocking "
                                            "calls of the program's own Weft fibers park")
      ->type_name("MODE")
      ->check(CLI::Validator(
          [](std::string& word) { return word == "green" || word == "fibers" ? std::string() : word + " is neither green nor fibers"; },
          ""));
  run_command->add_option("--carriers", o.carriers, "OS threads that run the green threads: 1 so far")
      ->type_name("N")
      ->check(weft::command::number_from(1u, 1024u));
  run_command->add_option("--stack-size", o.stack_size, "stacks of threads whose creator names no size: bytes, or 256k, 1m; 16k to 1t")
      ->type_name("SIZE")
      ->transform(weft::command::size_from(std::uint64_t{16} << 10, std::uint64_t{1} << 40, "16k to 1t"));
  run_command->add_option("--watchdog", o.watchdog_ms, "report threads that keep all others from running for so many milliseconds")
      ->type_name("MS")
      ->check(weft::command::number_from(1ul, 86'400'000ul));
  run_command->add_flag("--stats{1}", o.stats,
                        "a table of what happened, on standard error when the program ends, or appended to a file");
  run_command->add_option("--trace", o.trace,
                          "write what the threads did, waited for and woke to this file, for ui.perfetto.dev; other processes of the run "
                          "write FILE.PID; %p in it stands for the process's id")
      ->type_name("FILE");
  run_command->add_flag("-v,--verbose", o.verbose, "say on standard error what was patched");
  auto* strict = run_command->add_flag("--strict", o.strict, "exit with status 126 instead of running natively what the shim cannot reach");
  run_command->add_flag("--native-on-doubt", native_on_doubt, "run natively, and say why, what the shim cannot reach (the default)")
      ->excludes(strict);
  run_command->add_flag("--no-children", o.no_children, "programs that this one starts run without Weft");
  run_command->add_option("program", o.words, "the program and its arguments, after --")->required()->type_name("");
  run_command->prefix_command();
  run_command->positionals_at_end();
  // With prefix_command() a word that is no option begins the program's, but unknown options before it are only set aside.
  run_command->parse_complete_callback([&] {
    for (const std::string& word : run_command->remaining())
      if (word != "--") throw CLI::ExtrasError(weft::command::no_such_option(*run_command, word), CLI::ExitCodes::ExtrasError);
  });
  for (const tool& t : tools) app.add_subcommand(t.word, t.what);  // for --help
  CLI11_PARSE(app, argc, argv);
  if (app.get_subcommands().empty()) {
    std::fputs(app.help().c_str(), stderr);
    return static_cast<int>(CLI::ExitCodes::RequiredError);
  }
  return run(o);
}
