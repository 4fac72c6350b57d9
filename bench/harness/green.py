"""Unmodified pthread programs, natively and by `weft run`, in turn."""
from . import echo, green_memory, green_programs, green_turns, table

THREADS = "one pthread each"
GREEN = "the same, weft run"
ECHO = [
    echo.Kind(echo.REFERENCE, ["epoll_server"], False, None),
    echo.Kind(GREEN, ["thread_server"], False, 1.15, True),
    echo.Kind(THREADS, ["thread_server"], False, None),
    echo.Kind("C epoll again", ["epoll_server"], False, None),
]


def measure_echo(build, runs, quick, connections, verdicts):
    sizes = [n for n in connections if n in echo.TARGETED]
    figures = echo.measure(build, runs, quick, sizes, verdicts, ECHO)
    for n in sizes:
        p99 = {name: [run["p99_us"] for run in figures[name, n]] for name in (GREEN, THREADS)}
        if all(p99.values()):
            verdicts.at_most(f"echo {n}, p99 of {GREEN} / native", table.paired_ratio(p99[GREEN], p99[THREADS]), 1.0)
        else:
            verdicts.failed(f"echo {n}, p99 of {GREEN} / native", "no figures")


def measure(build, runs, quick, connections, verdicts):
    print("\nGreen threads")
    few = min(runs, 5)
    green_turns.measure(build, runs, quick, verdicts)
    green_memory.measure(build, quick, verdicts)
    green_programs.measure(build, few, quick, verdicts)
    measure_echo(build, few, quick, connections, verdicts)
