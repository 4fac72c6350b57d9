// weft-doctor: what `weft doctor` and `weft explain` start. A program of its own, so that `weft run` stays small.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../own_path.hpp"
#include "inspect/complaint.hpp"
#include "machine.hpp"
#include "program.hpp"

using namespace weft::doctor;

namespace {

// Where `weft` put its own path for us, else beside us.
std::string weft_path() {
  if (const char* told = std::getenv("WEFT_COMMAND_PATH")) return told;
  return weft::command::own_folder() + "/weft";
}

bool none_missing(const std::vector<finding>& findings) {
  for (const finding& f : findings)
    if (f.how == level::missing) return false;
  return true;
}

int doctor() {
  std::vector<finding> kernel = kernel_findings();
  kernel.push_back(trial(weft_path(), weft::command::own_folder() + "/weft-trial"));
  std::printf("what this machine does for Weft %s\n", WEFT_VERSION);
  print(kernel);
  std::printf("limits\n");
  print(limit_findings());
  const bool green = none_missing(kernel);
  std::printf(green ? "pthread programs run green here\n" : "pthread programs run natively here\n");
  return green ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"weft-doctor: what this machine does for Weft, and what Weft would do with a program", "weft"};
  app.require_subcommand(1);
  app.failure_message(weft::command::complaint);
  CLI::App* machine = app.add_subcommand("doctor",
                                         "What this machine supports, what Weft does therefore, and what to change. Exit "
                                         "status 1 when pthread programs would run natively.");
  CLI::App* program = app.add_subcommand("explain",
                                         "Why a program can or cannot run green, before it is run. Exit status 1 when it would "
                                         "run natively, 2 when that cannot be told.");
  std::vector<std::string> names;
  program->add_option("program", names, "programs, by path or by name")->required()->type_name("");
  CLI11_PARSE(app, argc, argv);
  if (*machine) return doctor();
  verdict worst = verdict::green;
  for (const std::string& name : names) {
    const verdict v = explain(name);
    if (v > worst) worst = v;
  }
  return static_cast<int>(worst);
}
