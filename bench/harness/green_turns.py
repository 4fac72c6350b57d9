"""What threads cost each other: turns handed over, threads made and joined, a mutex; natively and green, in turn, on one core."""
import os

from . import green_run, procs, table

# How many times cheaper in CPU than native threads. A lock without company makes no system call in either: 3% is the noise.
TARGETS = {"futex": 15.0, "semaphore": 10.0, "condition": 7.0, "create_join": 7.0, "mutex": 0.97}
NAMES = {"futex": "hand-over by futex", "semaphore": "hand-over by semaphore", "condition": "hand-over by condition variable",
         "create_join": "create + join", "mutex": "lock + unlock alone"}


def measure(build, runs, quick, verdicts):
    print(f"\nBetween pthreads, CPU time (medians of {runs} interleaved runs)")
    words = [os.path.join(build, "turns"), 10_000 if quick else 50_000]
    native, green = [], []
    try:
        for _ in range(runs):
            native.append(procs.run_json(procs.SERVER_CORE, words, 120))
            green.append(green_run.run_json(build, procs.SERVER_CORE, words, 120, least=words[1]))
    except procs.Failed as error:
        verdicts.failed("between pthreads", error)
        return
    rows = []
    for what, target in TARGETS.items():
        threads, fibers = [one[what] for one in native], [one[what] for one in green]
        times = table.paired_ratio(threads, fibers)
        rows.append([NAMES[what], f"{table.median(fibers):.1f}", f"{table.median(threads):.1f}", f"{times:.2f}"])
        verdicts.at_least(f"{NAMES[what]}: native / green", times, target)
    table.show(["what", "green ns", "native ns", "times"], rows)
