"""The headline of examples/demo.sh: one thread-per-connection server binary, natively and by `weft run`, under the same load.

Usage: headline.py SERVER LOAD WEFT SVG. Prints a table and writes the plot. Exit status 1 when a run failed or was not green.
Server on one core, load generator on another; both servers are connected to at once and take turns in slices, so that both see the
same machine. Relies on bench/harness, which starts, pins and ends processes.
"""
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench"))

import headline_plot  # noqa: E402
from harness import memory, procs, table  # noqa: E402

# connections -> (warm-up, measured requests) of a slice
SLICES = {100: (3_000, 20_000), 1_000: (4_000, 20_000), 10_000: (12_000, 20_000)}
TURNS = 4
# Below this the growth of slabs says more about the rest of the machine.
MEMORY_FROM = 1_000
# One carrier, and those of Weft that wait in calls without readiness: far from one a connection.
GREEN_THREADS_AT_MOST = 8


class Contender:
    """One way to run the server, with its load connected."""

    def __init__(self, name, command, load, connections):
        self.name, self.connections, self.slices = name, connections, []
        self.server = procs.Server(command, False)
        try:
            growth = memory.Growth(self.server.pid)
            self.load = procs.Load(load, self.server, connections)
            self.slice()
            self.slices.clear()  # the first one warmed up
            self.memory_mb = growth.kb() / 1024
            self.threads = memory.threads(self.server.pid)
        except procs.Failed:
            self.server.kill()
            raise

    def slice(self):
        self.slices.append(self.load.slice(*SLICES[self.connections]))

    def middle(self, of):
        return table.median([of(one) for one in self.slices])

    def figures(self):
        return {
            "requests_s": self.middle(lambda s: s["requests"] / s["wall_ns"] * 1e9),
            "cpu_us": self.middle(lambda s: s["server_cpu_ns"] / s["requests"] / 1e3),
            "p99_ms": self.middle(lambda s: s["p99_us"] / 1e3),
            "memory_mb": max(self.memory_mb, 0) if self.connections >= MEMORY_FROM else None,
            "threads": self.threads,
        }

    def kill(self):
        self.load.kill()
        self.server.kill()


def measure(ways, load, connections):
    """{name: figures}, {name: why it failed} of one size."""
    contenders, broken = [], {}
    try:
        for name, command in ways.items():
            try:
                contenders.append(Contender(name, command, load, connections))
            except (procs.Failed, OSError) as error:
                broken[name] = str(error)
        for turn in range(TURNS):
            for contender in contenders if turn % 2 == 0 else contenders[::-1]:
                try:
                    if contender.name not in broken:
                        contender.slice()
                except (procs.Failed, OSError) as error:
                    broken[contender.name] = str(error)
        return {c.name: c.figures() for c in contenders if c.name not in broken}, broken
    finally:
        for contender in contenders:
            contender.kill()
        time.sleep(0.2)  # the kernel frees what they had


def row(connections, name, f):
    memory_mb = "" if f["memory_mb"] is None else f"{f['memory_mb']:.0f}"
    return [f"{connections:,}", name, f"{f['requests_s']:,.0f}", f"{f['cpu_us']:.2f}", f"{f['p99_ms']:.2f}", memory_mb, f"{f['threads']:,}"]


def main():
    server, load, weft, svg = sys.argv[1:]
    limit = procs.raise_descriptor_limit()
    ways = {"native": [server], "weft run": [weft, "run", "--strict", "--", server]}
    results, rows, bad = {}, [], 0
    for connections in SLICES:
        if connections + 100 > limit:
            print(f"left out: {connections:,} connections, for the limit of open files is {limit:,} (ulimit -Hn)")
            continue
        results[connections], broken = measure(ways, load, connections)
        for name in ways:
            if name in results[connections]:
                rows.append(row(connections, name, results[connections][name]))
            else:
                rows.append([f"{connections:,}", name, "failed", "", "", "", ""])
                print(f"{connections:,} connections, {name}: {broken[name]}")
        weft_run = results[connections].get("weft run")
        bad += weft_run is None
        if weft_run is not None and weft_run["threads"] > GREEN_THREADS_AT_MOST:
            print(f"NOT OK: weft run had {weft_run['threads']:,} OS threads for {connections:,} connections")
            bad += 1
    table.show(["connections", "server", "requests/s", "CPU us/request", "p99 ms", "memory MB", "OS threads"], rows)
    print("  memory: pages of the server, and the kernel's stacks, page tables and slabs, grown by these connections (both ends of the")
    print("  sockets are in it, the same for both); server on one core, load generator on " +
          ("another" if procs.SERVER_CORE != procs.LOAD_CORE else "the same, for there is no other"))
    with open(svg, "w") as file:
        file.write(headline_plot.svg(results, list(ways)))
    print(f"  plot: {os.path.relpath(svg)}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
