"""Whole-process figures of many fibers: memory of parked ones, and what timers add.

Each sample is a fresh process, since only that tells what touching a stack for the first time costs.
"""
import os

from . import procs, table

STACK_64K = 64 * 1024
# (stack size, 0 for the default; target in bytes each at a million fibers)
PARKED = [(STACK_64K, 4_400), (0, 4_800)]
TIMER_TARGET = 1.3


def measure_parked(build, quick, verdicts):
    print("\nParked fibers, memory each (heap, stacks and page tables; guards on)")
    rows = []
    for count in [100_000] if quick else [100_000, 1_000_000]:
        for stack_size, target in PARKED:
            stack = f"{stack_size // 1024} KiB" if stack_size else "default"
            what = f"{count:,} parked, stacks {stack}"
            try:
                got = procs.run_json(procs.SERVER_CORE, [os.path.join(build, "parked"), count, stack_size], 300)
            except procs.Failed as error:
                verdicts.failed(what, error)
                continue
            rows.append([f"{count:,}", stack, f"{got['bytes_each']:.0f}", f"{got['resident_each']:.0f}",
                         f"{got['tables_each']:.0f}", got["extra_mappings"]])
            if count == 1_000_000:
                verdicts.at_most(f"{what}, bytes each", got["bytes_each"], target, "{:.0f}")
    if rows:
        table.show(["fibers", "stack", "bytes each", "resident", "page tables", "more mappings"], rows)


def measure_timers(build, runs, verdicts):
    print(f"\n100,000 timers against the same fibers without (medians of {runs} interleaved runs)")
    program = os.path.join(build, "timers")
    figures = {"sleep": [], "event": []}
    latest = 0.0
    try:
        for _ in range(runs):
            for mode, list_of in figures.items():
                got = procs.run_json(procs.SERVER_CORE, [program, mode], 120)
                list_of.append(got["cpu_s"])
                latest = max(latest, got["latest_ms"])
    except procs.Failed as error:
        verdicts.failed("100,000 timers", error)
        return
    table.show(["fibers", "CPU s", "min-max"],
               [[name, f"{table.median(times):.3f}", f"{min(times):.3f}-{max(times):.3f}"]
                for name, times in (("each sleeps 0 to 1 s", figures["sleep"]),
                                    ("all wait for one event", figures["event"]))])
    print(f"  no sleep ended early; the latest of those checked was {latest:.1f} ms late")
    verdicts.at_most("100,000 timers / without", table.paired_ratio(figures["sleep"], figures["event"]), TIMER_TARGET)
