"""TCP echo: CPU time per request of each server, beside the C epoll server in the same run.

Servers on one core, load generators on another. In each run every server is started and connected
to, then they take turns in short slices, the others asleep: the machine drifts by more in a second
than the targets allow, and slices of a tenth of a second all see the same drift. A run's figure is
the median of its slices, so that one in which the machine was busy elsewhere does not count.
"""
import collections
import os
import shutil

from . import green_run, memory, procs, table

# green: a program that knows nothing of Weft, under `weft run`
Kind = collections.namedtuple("Kind", "name program reports target green", defaults=[False])

REFERENCE = "C epoll"
KINDS = [
    Kind(REFERENCE, ["epoll_server"], False, None),
    Kind("weft/io.hpp", ["weft_server"], True, 1.05),
    Kind("weft shim, recv/send", ["weft_shim_server"], True, 1.08),
    Kind("one pthread each", ["thread_server"], False, None),
    Kind("Go", ["go_server"], False, None),
    # The yardstick against itself: how far its ratio is from 1 is what this run cannot tell apart.
    Kind("C epoll again", ["epoll_server"], False, None),
]
# connections -> (warm-up, measured requests) of a slice; with one connection each request waits for
# two wake-ups of an idle core
SLICES = {1: (300, 1_500), 100: (3_000, 25_000), 1_000: (5_000, 25_000), 10_000: (15_000, 25_000)}
SLICES_PER_RUN, QUICK_SLICES_PER_RUN = 12, 4
TARGETED = (100, 1_000, 10_000)


class Contender:
    """One server with its load generator during one run."""

    def __init__(self, build, kind, connections):
        self.kind = kind
        self.slices = []
        command = [os.path.join(build, kind.program[0]), *kind.program[1:]]
        self.server = procs.Server(green_run.command(build, command) if kind.green else command, kind.reports)
        try:
            self.load = procs.Load(os.path.join(build, "load"), self.server, connections)
        except procs.Failed:
            self.server.kill()
            raise

    def result(self):
        """Stops both and returns the run's figures; Failed if Weft was not active in the server."""
        if self.kind.green and self.load.connections > green_run.THREADS_AT_MOST:
            green_run.check_threads(memory.threads(self.server.pid))
        report = self.server.stop()
        requests = sum(one["requests"] for one in self.slices)
        if self.kind.reports and report.get("parks", 0) < requests / 10:
            raise procs.Failed(f"{self.kind.name}: only {report.get('parks', 0)} parks")
        for one in self.slices:
            one["cpu_us"] = one["server_cpu_ns"] / one["requests"] / 1e3
            one["busy"] = one["server_cpu_ns"] / one["wall_ns"]
        return {key: table.median([one[key] for one in self.slices]) for key in ("cpu_us", "busy", "p50_us", "p99_us")}

    def kill(self):
        self.load.kill()
        self.server.kill()


def one_run(build, kinds, connections, slices, broken):
    """Returns {kind name: figures}; a kind that fails is noted in broken and left out."""
    contenders = []
    try:
        for kind in kinds:
            try:
                contenders.append(Contender(build, kind, connections))
            except procs.Failed as error:
                broken[kind.name, connections] = str(error)
        for number in range(slices):
            # There and back: whoever follows whom changes from slice to slice.
            for contender in contenders if number % 2 == 0 else contenders[::-1]:
                if (contender.kind.name, connections) in broken:
                    continue
                try:
                    contender.slices.append(contender.load.slice(*SLICES[connections]))
                except (procs.Failed, BrokenPipeError) as error:
                    broken[contender.kind.name, connections] = str(error)
        results = {}
        for contender in contenders:
            if (contender.kind.name, connections) in broken:
                continue
            try:
                results[contender.kind.name] = contender.result()
            except (procs.Failed, ValueError) as error:
                broken[contender.kind.name, connections] = str(error)
        return results
    finally:
        for contender in contenders:
            contender.kill()


def available(build, kind):
    if os.path.exists(os.path.join(build, kind.program[0])):
        return True
    why = "go is not installed" if kind.name == "Go" and not shutil.which("go") else "not built"
    print(f"  left out: {kind.name} ({why})")
    return False


def measure(build, runs, quick, connections, verdicts, kinds=KINDS):
    """Prints and judges; returns {(kind name, connections): figures of each run}."""
    print(f"\nTCP echo, 64 bytes, server CPU per request (medians of {runs} interleaved runs)")
    limit = procs.raise_descriptor_limit()
    kinds = [kind for kind in kinds if available(build, kind)]
    figures, broken = collections.defaultdict(list), {}
    for number in range(runs):
        turn = number % len(kinds)
        for n in connections:
            if n + 100 > limit:
                broken.update({(kind.name, n): f"the descriptor limit is {limit}" for kind in kinds})
                continue
            able = [kind for kind in kinds[turn:] + kinds[:turn] if (kind.name, n) not in broken]
            slices = QUICK_SLICES_PER_RUN if quick else SLICES_PER_RUN
            for name, result in one_run(build, able, n, slices, broken).items():
                figures[name, n].append(result)
    for n in connections:
        show_one_size(n, kinds, figures, broken, verdicts)
    return figures


def show_one_size(n, kinds, figures, broken, verdicts):
    print(f"\n  {n} connection{'s' if n > 1 else ''}")
    rows = []
    reference = [run["cpu_us"] for run in figures[REFERENCE, n]]
    for kind in kinds:
        targeted = kind.target and n in TARGETED
        why = broken.get((kind.name, n)) or broken.get((REFERENCE, n))
        if why:
            rows.append([kind.name, "failed", "", "", "", "", ""])
            if targeted:
                verdicts.failed(f"echo {n}, {kind.name}", why)
            else:
                print(f"  FAILED: {kind.name}: {why}")
            continue
        runs = figures[kind.name, n]
        cpu = [run["cpu_us"] for run in runs]
        ratio = table.paired_ratio(cpu, reference)
        middle = {key: table.median([run[key] for run in runs]) for key in runs[0]}
        rows.append([kind.name, f"{middle['cpu_us']:.2f}", f"{min(cpu):.2f}-{max(cpu):.2f}", f"{ratio:.3f}",
                     f"{100 * middle['busy']:.0f}%", f"{middle['p50_us']:.0f}", f"{middle['p99_us']:.0f}"])
        if targeted:
            verdicts.at_most(f"echo {n}, {kind.name} / {REFERENCE}", ratio, kind.target, "{:.3f}")
    table.show(["server", "CPU us", "min-max", "ratio", "busy", "p50 us", "p99 us"], rows)
