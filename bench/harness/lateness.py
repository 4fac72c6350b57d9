"""A tick each millisecond beside 50 others that fsync, read cold files and resolve names: how late it is,
as a fiber of one thread and as a native thread under the same load.
"""
import os
import shutil
import tempfile

from . import procs, table

ALLOWED_US = 1000


def one(program, mode, folder, seconds):
    found = procs.run_json(f"0-{os.cpu_count() - 1}", [program, mode, folder, str(seconds)], seconds + 60)
    if found["failures"]:
        raise procs.Failed(f"{found['failures']} calls failed as {mode}")
    if min(found["syncs"], found["reads"], found["names"]) == 0:
        raise procs.Failed(f"there was no load beside the tick as {mode}")
    if mode == "fibers" and (found["sites"] == 0 or found["parks"] == 0):
        raise procs.Failed("Weft was not active")
    return found


def measure(build, runs, quick, verdicts):
    rounds, seconds = (2, 2) if quick else (max(3, runs // 2), 4)
    print(f"\nA tick each millisecond beside 50 that block ({rounds} rounds of {seconds} s in turn)")
    folder = tempfile.mkdtemp(prefix="weft-lateness-", dir=os.path.dirname(os.path.abspath(build)))
    figures = {"threads": [], "fibers": []}
    try:
        for _ in range(rounds):
            for mode, found in figures.items():
                found.append(one(os.path.join(build, "lateness"), mode, folder, seconds))
    except (procs.Failed, OSError) as error:
        verdicts.failed("lateness beside blocking calls", error)
        return
    finally:
        shutil.rmtree(folder)
    table.show(["ticking as", "p50 us", "p99 us", "max us", "fsync/s", "reads/s", "names/s"],
               [[mode] + [f"{table.median([f[key] for f in found]):.0f}" for key in ("p50_us", "p99_us", "max_us")] +
                [f"{table.median([f[key] for f in found]) / seconds:.0f}" for key in ("syncs", "reads", "names")]
                for mode, found in figures.items()])
    p99 = {mode: table.median([f["p99_us"] for f in found]) for mode, found in figures.items()}
    verdicts.at_most("p99 lateness of a fiber - of a thread (us)", p99["fibers"] - p99["threads"], ALLOWED_US, "{:.0f}")
