"""Switch, spawn + join, hand-off, mutex and greenlets against a raw fcontext jump and Boost.Fiber.

One process, Google Benchmark, its repetitions interleaved at random, so that the figures of a
repetition may be divided by each other.
"""
import collections
import os

from . import procs, table

RAW, PEER_SWITCH = "fcontext/jump", "boost_fiber/switch"
# name -> (target as a multiple of a raw jump)
TARGETS = {"weft/switch": 2.2, "weft/spawn_join": 8.0, "weft/hand_off": 6.0, "weft/mutex": 1.0, "greenlet/switch": 1.5}
TIMES_FASTER_THAN_PEER = 5.0


def measure(build, runs, quick, verdicts):
    print(f"\nMicro-benchmarks, CPU time per operation (medians of {runs} interleaved runs)")
    program = os.path.join(build, "micro")
    if not os.path.exists(program):
        verdicts.failed("micro-benchmarks", "Google Benchmark or Boost.Fiber is not installed")
        return
    try:
        result = procs.run_json(procs.SERVER_CORE, [
            program, "--benchmark_format=json", "--benchmark_enable_random_interleaving=true",
            f"--benchmark_repetitions={runs}", f"--benchmark_min_time={0.02 if quick else 0.1}"], 600)
    except procs.Failed as error:
        verdicts.failed("micro-benchmarks", error)
        return
    figures, broken = collections.defaultdict(list), {}
    for run in result["benchmarks"]:
        if run.get("error_occurred"):
            broken[run["run_name"]] = run["error_message"]
        elif run["run_type"] == "iteration":
            figures[run["run_name"]].append(run["cpu_time"])
    raw = table.median(figures[RAW])
    table.show(["operation", "ns", "min-max", "raw jumps"],
               [[name, f"{table.median(times):.2f}", f"{min(times):.2f}-{max(times):.2f}",
                 f"{table.median(times) / raw:.2f}"] for name, times in sorted(figures.items())])
    for name, target in TARGETS.items():
        if name in broken or name not in figures:
            verdicts.failed(name, broken.get(name, "no figure"))
            continue
        verdicts.at_most(f"{name} / raw jump", table.median(figures[name]) / raw, target)
    if "weft/switch" in figures and "weft/switch" not in broken:
        verdicts.at_least(f"{PEER_SWITCH} / weft/switch",
                          table.median(figures[PEER_SWITCH]) / table.median(figures["weft/switch"]),
                          TIMES_FASTER_THAN_PEER)
