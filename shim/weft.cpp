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

int run(const std::vector<std::string>& words, bool verbose) {
  const std::string shim = find_shim();
  if (shim.empty()) {
    std::fprintf(stderr, "weft: libweft-shim.so is not beside this command\n");
    return 127;
  }
  const char* before = std::getenv("LD_PRELOAD");
  setenv("LD_PRELOAD", (before != nullptr && *before != 0 ? shim + ":" + before : shim).c_str(), 1);
  if (verbose) setenv("WEFT_DEBUG", "1", 1);
  std::vector<char*> argv;
  for (const std::string& w : words) argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  std::fprintf(stderr, "weft: %s: %s\n", argv[0], std::strerror(errno));
  return errno == ENOENT ? 127 : 126;  // as a shell answers
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Weft: blocking calls that park a fiber instead of the thread"};
  app.set_version_flag("--version", "weft " WEFT_VERSION);
  app.require_subcommand(1);

  CLI::App* run_command = app.add_subcommand(
      "run", "Run a program with libweft-shim.so preloaded: blocking calls inside its fibers park only the fiber. Its pthreads "
             "stay threads of the kernel.");
  bool verbose = false;
  std::vector<std::string> words;
  run_command->add_flag("-v,--verbose", verbose, "say on standard error what was patched");
  run_command->add_option("program", words, "the program and its arguments, after --")->required();
  run_command->prefix_command();
  run_command->positionals_at_end();
  CLI11_PARSE(app, argc, argv);
  return run(words, verbose);
}
