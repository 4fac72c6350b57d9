"""The styles side by side: greenlet, fiber, task, and a bare fcontext where it can do the work; peers where they are installed.

All works of a style in one table, each also as a multiple of a raw jump; the programs are in bench/styles. Figures in nanoseconds are
medians of rounds: in a round every contender runs once, what is in one binary in random order, so the rounds' ratios may be taken.
"""
import collections
import os
import subprocess

from . import echo, procs, styles_lines, styles_plot, table

RAW, GREENLET, FIBER, TASK = "fcontext", "greenlet", "fiber", "task"
ASIO, BOOST, GO, GEVENT, ASYNCIO = "Asio", "Boost.Fiber", "Go", "gevent", "asyncio"
STYLES = (RAW, GREENLET, FIBER, TASK, BOOST, ASIO, GO, GEVENT, ASYNCIO)
DEEP = 10
# key, as it is printed. A level is what one of ten levels adds to a call that does not wait.
WORKS = [("switch", "switch, ns"), ("spawn", "spawn + wait for it, ns"), ("queue", "queue there and back, ns"),
         ("leaf/1", "turn there and back, 1 call deep, ns"), ("leaf/10", "the same, 10 calls deep, ns"),
         ("level", "enter and leave a call, ns"),
         ("memory", "memory of a waiting one, bytes"), ("timers", "100,000 timers, CPU s")]
MANY, TIMERS, FEW = 1_000_000, 100_000, 100_000
# What a waiting one may take at most, with room to spare: a measurement that made the machine swap would be none.
STACK_BYTES, FRAME_BYTES, PYTHON_BYTES = 6_000, 2_500, 12_000
SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "styles")
PYTHON = "/usr/bin/python3"  # Debian's, for which the Python peers are packaged


class Contenders:
    """The programs there are; who is missing is named once."""

    def __init__(self, build):
        self.build = os.path.join(build, "styles")
        self.python = {GEVENT: self.with_modules(GEVENT, "gevent"), ASYNCIO: self.with_modules(ASYNCIO, "uvloop")}

    def path(self, name):
        found = os.path.join(self.build, name)
        return [found] if os.path.exists(found) else None

    @staticmethod
    def with_modules(name, module):
        try:
            subprocess.run([PYTHON, "-c", f"import {module}"], check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            print(f"  left out: {name} (python3-{module} is not installed)")
            return None
        return [PYTHON, "-B", os.path.join(SOURCES, f"{name}_peer.py")]

    def micro(self):
        """{what: command} of those that measure every work in nanoseconds by themselves."""
        return {name: command + ["micro"] for name, command in {GO: self.path("go_peer"), **self.python}.items() if command}

    def many(self):
        """{style: (command, bytes that a waiting one may take)}."""
        def of(program, style):
            return self.path(program) and self.path(program) + [style]
        all_of = {GREENLET: (of("many_weft", "greenlet"), STACK_BYTES), FIBER: (of("many_weft", "fiber"), STACK_BYTES),
                  TASK: (of("many_weft", "task"), FRAME_BYTES), BOOST: (of("many_boost_fiber", "fiber"), STACK_BYTES),
                  ASIO: (of("many_asio", "coroutine"), FRAME_BYTES), GO: (self.path("go_peer"), FRAME_BYTES * 2),
                  GEVENT: (self.python[GEVENT], PYTHON_BYTES), ASYNCIO: (self.python[ASYNCIO], PYTHON_BYTES)}
        return {style: found for style, found in all_of.items() if found[0]}


def in_binary(program, quick):
    """{(style, work): ns} of one round of the binary that holds all that is C++."""
    result = procs.run_json(procs.SERVER_CORE, [
        program, "--benchmark_format=json", "--benchmark_enable_random_interleaving=true", "--benchmark_repetitions=3",
        f"--benchmark_min_time={0.01 if quick else 0.03}"], 300)
    times = collections.defaultdict(list)
    for run in result["benchmarks"]:
        if run.get("error_occurred"):
            raise procs.Failed(f"{run['run_name']}: {run['error_message']}")
        if run["run_type"] == "iteration":
            times[tuple(run["run_name"].split("/", 1))].append(run["cpu_time"])
    return {key: table.median(of) for key, of in times.items()}


def measure_micro(contenders, runs, quick, verdicts):
    """{(style, work): figures of the rounds}."""
    figures = collections.defaultdict(list)
    program = contenders.path("styles")
    if program is None:
        verdicts.failed("styles", "Google Benchmark or Boost.Fiber is not installed")
        return figures
    for _ in range(runs):
        try:
            round_of = in_binary(program[0], quick)
            for style, command in contenders.micro().items():
                for work, ns in procs.run_json(procs.SERVER_CORE, command, 120).items():
                    round_of[style, work] = ns
        except procs.Failed as error:
            verdicts.failed("styles", error)
            return figures
        for style in STYLES:
            if (style, "call/10") in round_of:
                round_of[style, "level"] = (round_of[style, "call/10"] - round_of[style, "call/1"]) / (DEEP - 1)
        for key, ns in round_of.items():
            figures[key].append(ns)
    return figures


def available_bytes():
    with open("/proc/meminfo") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))


def measure_memory(contenders, quick, figures, verdicts):
    print("  memory: ", end="")
    counts = collections.defaultdict(list)
    for style, (command, bytes_each) in contenders.many().items():
        # Python takes a minute to make a million.
        enough = not quick and bytes_each != PYTHON_BYTES and available_bytes() > 1.3 * MANY * bytes_each
        count = MANY if enough else FEW
        try:
            figures[style, "memory"].append(procs.run_json(procs.SERVER_CORE, command + ["memory", count], 300)["bytes_each"])
            counts[count].append(style)
        except procs.Failed as error:
            verdicts.failed(f"{style}, memory", error)
    print("; ".join(f"{count:,} each of {', '.join(of)}" for count, of in counts.items()))
    return counts


def measure_timers(contenders, rounds, figures, verdicts):
    for _ in range(rounds):
        for style, (command, _) in contenders.many().items():
            if style == GREENLET:
                continue  # it knows no timers
            try:
                figures[style, "timers"].append(procs.run_json(procs.SERVER_CORE, command + ["timers", TIMERS], 300)["cpu_s"])
            except procs.Failed as error:
                verdicts.failed(f"{style}, timers", error)


def judge(figures, counts, verdicts):
    def at_most(what, of, reference, target):
        if figures[of] and figures[reference]:
            verdicts.at_most(what, table.paired_ratio(figures[of], figures[reference]), target)
        else:
            verdicts.failed(what, "no figure")

    raw = (RAW, "switch")
    at_most("greenlet switch / raw jump", (GREENLET, "switch"), raw, 1.5)
    at_most("task switch / raw jump", (TASK, "switch"), raw, 4.0)
    at_most("task spawned by a task / raw jump", (TASK, "spawn"), raw, 12.0)
    at_most("task spawned by a fiber / raw jump", (TASK, "spawn from a fiber"), raw, 12.0)
    at_most("task, leaf of 10 levels / of 1", (TASK, "leaf/10"), (TASK, "leaf/1"), 1.5)
    at_most("task, a level entered and left / raw jump", (TASK, "level"), raw, 5.0)
    if TASK in counts[MANY]:
        verdicts.at_most("1,000,000 tasks on a timer, bytes each", figures[TASK, "memory"][0], 400, "{:.0f}")


def form(value):
    return f"{value:.2f}" if value < 9.95 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def show(figures, works):
    """The table of medians; the multiples of a raw jump below it, where they mean something."""
    present = [style for style in STYLES if any(figures[style, key] for key, _ in works)]
    middle = {key: table.median(values) for key, values in figures.items() if values}
    table.show(["", *present], [[name, *(form(middle[style, key]) if (style, key) in middle else "" for style in present)]
                                for key, name in works])
    raw = middle.get((RAW, "switch"))
    if raw:
        print()
        rows = [[name.removesuffix(", ns"), *(form(middle[style, key] / raw) if (style, key) in middle else "" for style in present)]
                for key, name in works if name.endswith(", ns")]
        table.show(["as multiples of a raw jump", *present], rows)


ECHO_KINDS = [
    echo.Kind(echo.REFERENCE, ["epoll_server"], False, None),
    echo.Kind(GREENLET, ["styles/greenlet_server"], False, None),
    echo.Kind(FIBER, ["weft_server"], True, None),
    echo.Kind(TASK, ["styles/task_server"], True, 1.03),
    echo.Kind(ASIO, ["styles/asio_server"], False, None),
    echo.Kind(GO, ["go_server"], False, None),
    # The yardstick against itself: how far its ratio is from 1 is what this run cannot tell apart.
    echo.Kind("C epoll again", ["epoll_server"], False, None),
]


def measure_echo(build, contenders, runs, quick, connections, figures, verdicts):
    """Adds ("echo N") works to the figures; those of the Python peers come from one short run of their own."""
    connections = [n for n in connections if n in echo.TARGETED]
    got = echo.measure(build, runs, quick, connections, verdicts, ECHO_KINDS)
    slow = [echo.Kind(name, [*command, "echo"], False, None) for name, command in contenders.python.items() if command]
    if slow:
        print("\n  beside the peers in Python:")
        quiet = table.Verdicts()
        got.update({key: of for key, of in echo.measure(build, 1, True, connections, quiet, ECHO_KINDS[:1] + slow).items()
                    if key[0] != echo.REFERENCE})
    for (name, n), of in got.items():
        figures[RAW if name == echo.REFERENCE else name, f"echo {n}"] += [run["cpu_us"] for run in of]
    for n in connections:
        asio, task = figures[ASIO, f"echo {n}"], figures[TASK, f"echo {n}"]
        if asio and task:
            verdicts.at_least(f"echo {n}, {ASIO} / {TASK}", table.paired_ratio(asio, task), 1.0, "{:.3f}")
    return [(f"echo {n}", f"echo, {n:,} connections, CPU us") for n in connections]


def measure(build, runs, quick, connections, verdicts):
    print(f"\nThe styles side by side, CPU time (medians of {runs} interleaved rounds)")
    contenders = Contenders(build)
    figures = measure_micro(contenders, runs, quick, verdicts)
    counts = measure_memory(contenders, quick, figures, verdicts)
    measure_timers(contenders, 1 if quick else min(runs, 5), figures, verdicts)
    judge(figures, counts, verdicts)
    show(figures, WORKS)
    styles_lines.show(figures)
    echoes = measure_echo(build, contenders, 1 if quick else min(runs, 5), quick, connections, figures, verdicts)
    svg = os.path.join(build, "styles.svg")
    with open(svg, "w") as file:
        file.write(styles_plot.svg({key: table.median(of) for key, of in figures.items() if of}, STYLES,
                                   [*WORKS, *echoes, ("lines", "lines of code, 25 programs")]))
    print(f"\n  plot: {os.path.relpath(svg)}")
