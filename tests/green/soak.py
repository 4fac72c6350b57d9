#!/usr/bin/env python3
"""Mixed load on threads for a while, under several seeds: threads made and ended, hand-overs, sockets, signals, cancellations, forks.

    soak.py [--build DIR] [--seconds N] [--seeds N] [--seed S] [--workers N] [--native] [--without JOB]...

Runs the program tests/green/soak under `weft run --strict`, once a seed, and prints a row for each. A seed fails when the program finds
something wrong (a value lost, a signal lost or doubled, a sleep that ended early), when a worker or the whole stands still, when
descriptors, mappings, memory or thread ids grow from round to round, or when the run was not green. --native: the same without Weft.
Exit status 1 when a seed failed; the row says how to repeat it.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# What allocators and page caches may keep without having lost it.
RESIDENT_GROWN_KB, MAPPINGS_GROWN = 6 * 1024, 40
LEAST_TID, TIDS_IN_USE = 1 << 24, 4096
COLUMNS = ("rounds", "jobs", "threads", "cancelled", "signals", "forks", "descriptors", "mappings", "resident_grown_kb")


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(ROOT, "build"), help="build directory (default build/)")
    p.add_argument("--seconds", type=int, default=60, help="for each seed (default 60)")
    p.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    p.add_argument("--seed", type=int, default=1, help="the first one (default 1)")
    p.add_argument("--workers", type=int, default=24, help="threads that make others (default 24)")
    p.add_argument("--without", action="append", default=[], metavar="JOB", help="leave a job out, to find which one fails")
    p.add_argument("--native", action="store_true", help="without Weft")
    return p.parse_args()


def limit_of(seconds):
    """Rounds of three seconds may take longer on a busy machine, and a hang is told by the program itself after 40."""
    return 4 * seconds + 120


def run(command, stats, seconds):
    """The program's figures, and what is wrong with them."""
    env = {k: v for k, v in os.environ.items() if k not in ("WEFT_STATS", "WEFT_MODE", "LD_PRELOAD")}
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_of(seconds))
    except subprocess.TimeoutExpired:
        return None, [f"not over after {limit_of(seconds)} s"]
    if done.returncode != 0:
        ending = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        return None, [f"{ending}: {done.stderr.strip()[-300:]}"]
    figures = json.loads(done.stdout)
    wrong = []
    if figures["descriptors"] > 0:
        wrong.append(f"{figures['descriptors']} descriptors are left")
    if figures["mappings"] > MAPPINGS_GROWN:
        wrong.append(f"{figures['mappings']} more mappings")
    if figures["resident_grown_kb"] > RESIDENT_GROWN_KB:
        wrong.append(f"{figures['resident_grown_kb']} kB more memory")
    if stats is not None:
        wrong += not_green(stats, figures)
    return figures, wrong


def not_green(stats, figures):
    # Children that made a thread tell of themselves, too; the program itself made the most.
    with open(stats) as file:
        made = [int(n.replace(",", "")) for n in re.findall(r"green threads created +([\d,]+)", file.read())]
    if max(made, default=0) < figures["threads"]:
        return [f"not green: {max(made, default=0)} green threads of {figures['threads']}"]
    if not LEAST_TID <= figures["first_tid"] <= figures["tid"] < figures["first_tid"] + TIDS_IN_USE:
        return [f"thread ids are lost: the last is {figures['tid']}"]
    return []


def main():
    options = parse()
    program = os.path.join(options.build, "tests", "green", "soak")
    weft = os.path.join(options.build, "shim", "weft")
    form = "{:>6} " + " ".join("{:>" + str(max(len(c), 7)) + "}" for c in COLUMNS) + "  {}"
    print(form.format("seed", *COLUMNS, ""))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="weft-soak-") as folder:
        for seed in range(options.seed, options.seed + options.seeds):
            words = [program, str(options.seconds), str(seed), str(options.workers), *options.without]
            stats = None if options.native else os.path.join(folder, f"stats.{seed}")
            figures, wrong = run(words if options.native else [weft, "run", "--strict", f"--stats={stats}", "--", *words], stats,
                                 options.seconds)
            row = [figures[c] for c in COLUMNS] if figures else [""] * len(COLUMNS)
            again = f" (again: --seed {seed} --seeds 1 --seconds {options.seconds})" if wrong else ""
            print(form.format(seed, *row, "; ".join(wrong) + again if wrong else "ok"), flush=True)
            failed += bool(wrong)
    print(f"{options.seeds - failed} of {options.seeds} seeds passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
