"""A turn handed over through libc's futexes: two fibers of one thread against two threads on one core."""
import os

from . import procs, table

# How many times cheaper in CPU than two native threads.
TARGETS = {"futex": 15.0, "semaphore": 10.0, "condition": 7.0}


def measure(build, runs, quick, verdicts):
    print(f"\nHanding over through libc's synchronisation, CPU time (medians of {runs} interleaved runs)")
    program = os.path.join(build, "hand_over")
    figures = {"fibers": [], "threads": []}
    try:
        for _ in range(runs):
            for who, results in figures.items():
                results.append(procs.run_json(procs.SERVER_CORE, [program, who, 20_000 if quick else 200_000], 120))
    except procs.Failed as error:
        verdicts.failed("hand-over", error)
        return
    rows = []
    for what, target in TARGETS.items():
        fibers, threads = ([result[what] for result in figures[who]] for who in ("fibers", "threads"))
        times = [t / f for f, t in zip(fibers, threads)]
        rows.append([what, f"{table.median(fibers):.0f}", f"{table.median(threads):.0f}", f"{table.median(times):.1f}"])
        verdicts.at_least(f"{what}: threads / fibers", table.median(times), target)
    table.show(["by", "fibers ns", "threads ns", "times"], rows)
