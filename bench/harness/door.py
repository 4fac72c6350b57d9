"""What a call pays at Weft's doors: passed through to the kernel, and a recv that is ready at once.

The program itself takes turns between the door and untouched instructions, batch by batch, and prints
medians of the ratios; several processes, because where things lie in memory differs from one to the next.
"""
import os

from . import procs, table

TARGETS = {"pass_alone": ("passed-through system call, no fibers", 1.07),
           "pass_beside": ("passed-through system call, with fibers", 1.07),
           "recv_ready": ("recv of 64 ready bytes", 1.15)}


def measure(build, runs, quick, verdicts):
    print(f"\nThe doors, time against untouched instructions (medians of {runs} processes)")
    shim = os.path.join(os.path.dirname(build), "shim", "libweft-shim.so")
    rows = []
    for door, setting in (("sites", []), ("symbols", [f"LD_PRELOAD={shim}", "WEFT_DOOR=symbols"])):
        try:
            results = [procs.run_json(procs.SERVER_CORE, ["env", *setting, os.path.join(build, "door"), 60 if quick else 400], 120)
                       for _ in range(runs)]
            if any(not result[door] for result in results):
                raise procs.Failed(f"no {door} in use")
        except procs.Failed as error:
            verdicts.failed(f"door of {door}", error)
            continue
        for key, (what, target) in TARGETS.items():
            ratios = [result[key] for result in results]
            rows.append([f"{what}, {door}", f"{table.median(ratios):.3f}", f"{min(ratios):.3f}-{max(ratios):.3f}"])
            verdicts.at_most(f"{what}, {door} / native", table.median(ratios), target, "{:.3f}")
    table.show(["call", "ratio", "min-max"], rows)
