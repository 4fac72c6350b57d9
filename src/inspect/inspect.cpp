// weft-inspect: what `weft ps`, `weft bt`, `weft top` and `weft trace` become. A program of its own, so that `weft run` loads nothing of
// what these need.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "inspect/commands.hpp"
#include "inspect/complaint.hpp"
#include "inspect/process.hpp"

int main(int argc, char** argv) {
  using namespace weft::inspect;
  CLI::App app{"Looks into a program: its fibers and green threads, what they do and what they did", "weft"};
  app.require_subcommand(1);
  app.failure_message(weft::command::complaint);

  ps_options ps_asked;
  CLI::App* ps_command = app.add_subcommand("ps", "What each fiber and green thread of a process does, a line each");
  ps_command->add_option("pid", ps_asked.pid, "the process")->required();
  ps_command->add_flag("-g,--group", ps_asked.group, "a line for all that do the same");
  ps_command->add_flag("-a,--all", ps_asked.all, "Weft's own fibers, too");
  ps_command->add_flag("--json", ps_asked.json, "for programs to read");

  bt_options bt_asked;
  CLI::App* bt_command = app.add_subcommand("bt", "Where each fiber and green thread of a process stands: its backtrace");
  bt_command->add_option("pid", bt_asked.pid, "the process")->required();
  bt_command->add_option("tid", bt_asked.who, "only this one: a thread id or address as ps shows it, or a name");
  bt_command->add_flag("!--no-fold", bt_asked.fold, "each by itself, even those that stand alike");
  bt_command->add_flag("-w,--whole", bt_asked.whole, "all frames: also Weft's own, and those that called the program's first function");
  bt_command->add_flag("-a,--all", bt_asked.all, "Weft's own fibers and other OS threads, too");
  bt_command->add_option("--frames", bt_asked.frames, "so many at most of each")->check(weft::command::number_from(1u, 100'000u));
  bt_command->add_flag("--json", bt_asked.json, "for programs to read");

  top_options top_asked;
  CLI::App* top_command = app.add_subcommand("top", "What a process does, again and again: switches, parks, who runs most");
  top_command->add_option("pid", top_asked.pid, "the process")->required();
  top_command->add_option("-d,--delay", top_asked.interval, "seconds between two looks")->check(weft::command::number_from(0.05, 3600.0));
  top_command->add_option("-n,--count", top_asked.count, "so many looks, then end");
  top_command->add_option("--rows", top_asked.rows, "so many of the busiest")->check(weft::command::number_from(1u, 10'000u));

  killed_trace_options trace_asked;
  CLI::App* trace_command = app.add_subcommand(
      "trace", "Make the trace of a process that was killed while it ran with --trace, from the file FILE.raw that it left");
  trace_command->add_option("file", trace_asked.file, "FILE, or FILE.raw")->required();
  trace_command->add_option("-o,--output", trace_asked.to, "where to; FILE unless told");

  CLI11_PARSE(app, argc, argv);
  try {
    if (ps_command->parsed()) return ps(ps_asked);
    if (bt_command->parsed()) return bt(bt_asked);
    if (trace_command->parsed()) return killed_trace(trace_asked);
    return top(top_asked);
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "weft: %s\n", e.what());
    return 1;
  }
}
