// The `weft` command.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

#include "doubt.hpp"

namespace {

// The shim beside this command: in a build tree or installed (bin/ and lib/).
std::string find_shim() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  if (n <= 0) return {};
  const std::string path(self, static_cast<std::size_t>(n));
  const std::string folder = path.substr(0, path.rfind('/'));
  for (const char* place : {"/libweft-shim.so", "/../" WEFT_LIBDIR "/libweft-shim.so"})
    if (access((folder + place).c_str(), R_OK) == 0) return folder + place;
  return {};
}

struct run_options {
  bool verbose = false;
  bool strict = false;
  std::vector<std::string> words;
};

[[nodiscard]] int start(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& w : words) argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  std::fprintf(stderr, "weft: %s: %s\n", argv[0], std::strerror(errno));
  return errno == ENOENT ? 127 : 126;  // as a shell answers
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
  const char* before = std::getenv("LD_PRELOAD");
  setenv("LD_PRELOAD", (before != nullptr && *before != 0 ? shim + ":" + before : shim).c_str(), 1);
  if (o.verbose) setenv("WEFT_DEBUG", "1", 1);
  if (o.strict) setenv("WEFT_STRICT", "1", 1);
  return start(o.words);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Weft: blocking calls that park a fiber instead of the thread"};
  app.set_version_flag("--version", "weft " WEFT_VERSION);
  app.require_subcommand(1);

  CLI::App* run_command = app.add_subcommand(
      "run", "Run a program with libweft-shim.so preloaded: blocking calls inside its fibers park only the fiber. Its pthreads "
             "stay threads of the kernel.");
  run_options o;
  bool native_on_doubt = false;
  run_command->add_flag("-v,--verbose", o.verbose, "say on standard error what was patched");
  auto* strict = run_command->add_flag("--strict", o.strict, "exit with status 126 instead of running natively what the shim cannot reach");
  run_command->add_flag("--native-on-doubt", native_on_doubt, "run natively, and say why, what the shim cannot reach (the default)")
      ->excludes(strict);
  run_command->add_option("program", o.words, "the program and its arguments, after --")->required();
  run_command->prefix_command();
  run_command->positionals_at_end();
  CLI11_PARSE(app, argc, argv);
  return run(o);
}
