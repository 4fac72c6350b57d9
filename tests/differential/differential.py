#!/usr/bin/env python3
"""Plays scenes natively (parts as pthreads) and under Weft (parts as fibers), and compares what they said, line by line.

    differential.py --stage plain=build/tests/stage_plain --stage fortified=build/tests/stage_fortified \\
                    --shim build/shim/libweft-shim.so [--group NAME] [--scene NAME] [--door sites] [--poller epoll] [--show]

A scene fails when a line differs that known_differences.toml does not name for it, when it names one that does not differ, when Weft
was not active (no site patched, no fiber, no park in a scene that must wait), or when a run hangs or dies.
"""
import argparse
import concurrent.futures
import difflib
import os
import re
import subprocess
import sys

from differences import expected, for_variant, known_differences

HERE = os.path.dirname(os.path.abspath(__file__))
DOORS = ["sites", "symbols"]
POLLERS = ["epoll", "select"]
KINDS = {"identity", "kernel", "libc"}
TIME_LIMIT = 60  # only what hangs takes so long, on any machine
HANG_LIMIT = 1.5
KEPT = ("WEFT_SCENE_LIBRARY", "WEFT_CACHE")  # of Weft's own variables
MAIN_PARKS = 1  # the join of the scene itself


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stage", action="append", required=True, metavar="FLAVOUR=PROGRAM")
    p.add_argument("--shim", required=True)
    p.add_argument("--known", default=os.path.join(HERE, "known_differences.toml"))
    p.add_argument("--group", action="append")
    p.add_argument("--scene", action="append")
    p.add_argument("--skip", action="append", default=[], metavar="SCENE")
    p.add_argument("--door", action="append", choices=DOORS)
    p.add_argument("--poller", action="append", choices=POLLERS)
    p.add_argument("--time-limit", type=float, default=TIME_LIMIT, help="seconds for one play")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--show", action="store_true", help="print what the scenes said")
    return p.parse_args()


class run:
    """One play of one scene by one program."""

    def __init__(self, program, scene, settings, time_limit):
        env = {k: v for k, v in os.environ.items() if k in KEPT or not (k.startswith("WEFT_") or k == "LD_PRELOAD")}
        env.update(settings, LC_ALL="C")
        child = subprocess.Popen([program, scene], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, start_new_session=True)
        self.trouble = None
        try:
            out, err = child.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)  # the session that was started above
            out, err = child.communicate()
            self.trouble = f"not over after {time_limit} s"
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")
        if self.trouble is None and child.returncode != 0:
            self.trouble = f"exit status {child.returncode}"

    def inactive(self, door, must_park):
        """Why this was no run under Weft, or None."""
        # WEFT_DEBUG's summary: of the sites, or of the names that were interposed.
        counted = re.search(r"weft: (\d+)( of \d+)? (system call sites patched|names interposed|functions of libc interposed)", self.err)
        if not counted or int(counted.group(1)) == 0:
            return f"no {door} active"
        if door == "sites" and "sites patched" not in counted.group(3) or door == "symbols" and "interposed" not in counted.group(3):
            return f"another door than {door}: {counted.group(0)}"
        figures = re.search(r"stage: fibers=(\d+) parks=(\d+) poller=(\w+)", self.err)
        if not figures or int(figures.group(1)) == 0:
            return "no fibers"
        if must_park and int(figures.group(2)) <= MAIN_PARKS:
            return f"only {figures.group(2)} parks"
        return None


def compare(native, weft, entries, variant, must_park):
    """Lines of complaint; none when the scene is as it should be."""
    complaints = [f"under Weft: {weft.trouble}"] if weft.trouble else []
    want, idle = expected(native.out, entries)
    complaints += [f"known difference no longer in the native words: {e['native']!r}" for e in idle]
    if weft.out != want:
        if entries and weft.out == native.out:
            complaints.append("unexpected pass: known differences are listed, and nothing differs")
        else:
            complaints += list(difflib.unified_diff(want.splitlines(), weft.out.splitlines(), "native", "weft", lineterm="", n=2))
    if not weft.trouble and (quiet := weft.inactive(variant["door"], must_park)):
        complaints.append(quiet)
    if complaints and weft.err:
        complaints += ["stderr: " + line for line in weft.err.splitlines()[-12:] if not line.startswith("weft:   ")]
    return complaints


def play(scene, programs, args, entries, must_park):
    """Every variant of one scene: (variant text, complaints)."""
    results = []
    for flavour, program in programs.items():
        native = run(program, scene, {}, args.time_limit)
        if native.trouble or not native.out.startswith("-- part 1\n"):
            results.append((f"scene {scene} natively flavour {flavour}", [native.trouble or "said nothing", native.out, native.err]))
            continue
        if args.show:
            print(native.out, end="")
        for door in args.door or DOORS:
            for poller in args.poller or POLLERS:
                variant = {"door": door, "poller": poller, "flavour": flavour}
                settings = {"LD_PRELOAD": args.shim, "WEFT_DOOR": door, "WEFT_POLLER": poller, "WEFT_DEBUG": "1"}
                mine = for_variant([e for e in entries if e["scene"] == scene], variant)
                text = f"scene {scene} door {door} poller {poller} flavour {flavour}"
                if any(e.get("hangs") for e in mine):
                    # Seen to hang once, and then believed: it takes its time.
                    if flavour == next(iter(programs)) and poller == (args.poller or POLLERS)[0]:
                        weft = run(program, scene, settings, HANG_LIMIT)
                        hung = weft.trouble is not None and weft.trouble.startswith("not over")
                        results.append((text + " (hangs)", [] if hung else ["unexpected pass: known to hang", weft.out]))
                    continue
                weft = run(program, scene, settings, args.time_limit)
                results.append((text, compare(native, weft, mine, variant, must_park)))
    return results


def main():
    args = parse()
    programs = dict(s.split("=", 1) for s in args.stage)
    listing = subprocess.run([next(iter(programs.values())), "--list"], check=True, capture_output=True, text=True).stdout
    scenes = {name: (group, parks == "parks") for group, name, parks in map(str.split, listing.splitlines())}
    entries = known_differences(args.known, scenes, KINDS)
    chosen = [s for s, (group, _) in scenes.items()
              if (not args.group or group in args.group) and (not args.scene or s in args.scene) and s not in args.skip]
    if not chosen:
        sys.exit("no such scene")
    bad = total = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(play, s, programs, args, entries, scenes[s][1]) for s in chosen]
        for job in jobs:
            for text, complaints in job.result():
                total += 1
                bad += bool(complaints)
                print(f"{text}: {'FAILED' if complaints else 'ok'}")
                for line in complaints:
                    print("    " + line.rstrip("\n").replace("\n", "\n    "))
    print(f"{len(chosen)} scenes, {total - bad} of {total} plays equal; {len(entries)} known differences are listed")
    sys.exit(1 if bad else 0)


main()
