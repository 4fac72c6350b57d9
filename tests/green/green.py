#!/usr/bin/env python3
"""Plays scenes of threads natively and under `weft run`, and compares what they said, byte for byte, and how the process ended.

    green.py --stage plain=build/tests/green/green_plain --stage fortified=... --weft build/weft
             [--group NAME] [--scene NAME] [--poller epoll] [--native N] [--show]

A scene fails when a line or the ending differs and known_differences.toml does not say so, when it names what does not differ, when the
native run ends otherwise than the scene says, when the run was not green (no site patched, no green thread, not one carrier), or when it
hangs. --native N only plays natively, N times, and wants the same words each time.
"""
import argparse
import difflib
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "differential"))
from differences import expected, for_variant, known_differences  # noqa: E402

POLLERS = ["epoll", "select"]
KINDS = {"identity", "kernel", "not yet"}
TIME_LIMIT = 60  # only what hangs takes so long, on any machine
HANG_LIMIT = 3


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stage", action="append", required=True, metavar="FLAVOUR=PROGRAM")
    p.add_argument("--weft", required=True)
    p.add_argument("--known", default=os.path.join(HERE, "known_differences.toml"))
    p.add_argument("--group", action="append")
    p.add_argument("--scene", action="append")
    p.add_argument("--poller", action="append", choices=POLLERS)
    p.add_argument("--native", type=int, metavar="N")
    p.add_argument("--time-limit", type=float, default=TIME_LIMIT, help="seconds for one play")
    p.add_argument("--show", action="store_true", help="print what the scenes said")
    return p.parse_args()


class run:
    """One play of one scene: its words, how it ended, and what Weft said of it."""

    def __init__(self, command, settings, time_limit):
        env = {k: v for k, v in os.environ.items()
               if k.startswith(("WEFT_SCENE_", "WEFT_CACHE")) or not (k.startswith("WEFT_") or k == "LD_PRELOAD")}
        env.update(settings, LC_ALL="C")
        # Files, not pipes: what a scene leaves running must not keep this waiting for an end of file.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
            try:
                code = child.wait(timeout=time_limit)
                self.ending = f"signal {-code}" if code < 0 else f"exit {code}"
            except subprocess.TimeoutExpired:
                self.ending = f"not over after {time_limit:g} s"
            try:
                os.killpg(child.pid, signal.SIGKILL)  # the session that was started above
            except ProcessLookupError:
                pass
            child.wait()
            self.out, self.err = (f.seek(0) or f.read().decode(errors="replace") for f in (out, err))

    def words(self):
        return self.out + ("" if self.out.endswith("\n") or not self.out else "\n") + f"== {self.ending}\n"

    def not_green(self):
        """Why this was no green run, or None."""
        patched = re.search(r"weft: (\d+)( of \d+)? system call sites patched", self.err)
        if not patched or int(patched.group(1)) == 0:
            return "no site patched"
        if "no thread could be made" in self.err:     # of Weft's own
            return "libc was shown no thread"
        # A process that dies of its scene, or becomes another, prints no figures; its first thread has shown its number.
        # Children print figures of their own, of no threads where they are other programs.
        created = re.findall(r"green threads created\W+(\d+)", self.err)
        if "stage: a green thread" not in self.err and not any(int(n) > 0 for n in created):
            return "no green thread"
        carriers = max(map(int, re.findall(r"carriers\W+(\d+)", self.err)), default=1)
        return None if carriers <= 1 else f"{carriers} carriers"


def compare(native, weft, entries):
    """Lines of complaint; none when the scene is as it should be."""
    complaints = []
    want, idle = expected(native.words(), entries)
    complaints += [f"known difference no longer in the native words: {e['native']!r}" for e in idle]
    if weft.words() != want:
        if entries and weft.words() == native.words():
            if not all(e.get("sometimes") for e in entries):
                complaints.append("unexpected pass: known differences are listed, and nothing differs")
        else:
            complaints += list(difflib.unified_diff(want.splitlines(), weft.words().splitlines(), "native", "green", lineterm="", n=2))
    if why := weft.not_green():
        complaints.append(why)
    if complaints and weft.err:
        complaints += ["stderr: " + line for line in weft.err.splitlines()[-12:]]
    return complaints


def play(scene, ending, flavour, program, pollers, args, entries):
    """Every variant of one scene: (variant text, complaints)."""
    native = run([program, scene], {}, args.time_limit)
    wrong = native.ending != ending or ending == "exit 0" and "-- end\n" not in native.out
    if wrong:
        return [(f"scene {scene} natively flavour {flavour}", [f"wanted {ending}", native.words(), native.err])]
    if args.show:
        print(native.words(), end="")
    if args.native:
        for i in range(1, args.native):
            again = run([program, scene], {}, args.time_limit)
            if again.words() != native.words():
                diff = difflib.unified_diff(native.words().splitlines(), again.words().splitlines(), "first", "again", lineterm="")
                return [(f"scene {scene} natively flavour {flavour} play {i + 1}", list(diff))]
        return [(f"scene {scene} natively {args.native} times flavour {flavour}", [])]
    results = []
    for poller in pollers:
        mine = for_variant([e for e in entries if e["scene"] == scene], {"poller": poller, "flavour": flavour})
        text = f"scene {scene} poller {poller} flavour {flavour}"
        command = [args.weft, "run", "--strict", "--stats", "--verbose", "--", program, scene]
        settings = {"WEFT_POLLER": poller}
        if any(e.get("hangs") for e in mine):
            # Seen to hang once, and then believed: it takes its time.
            if poller == pollers[0]:
                hung = run(command, settings, HANG_LIMIT).ending.startswith("not over")
                results.append((text + " (hangs)", [] if hung else ["unexpected pass: known to hang"]))
            continue
        results.append((text, compare(native, run(command, settings, args.time_limit), mine)))
    return results


def main():
    args = parse()
    programs = dict(s.split("=", 1) for s in args.stage)
    scenes, chosen = set(), []
    for flavour, program in programs.items():
        # Fortified code differs in the calls that it makes, not in how they wait: one poller will do.
        pollers = args.poller or (POLLERS if flavour != "fortified" else POLLERS[:1])
        listing = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
        for group, name, ending in (line.split(" ", 2) for line in listing.splitlines()):
            scenes.add(name)
            if (not args.group or group in args.group) and (not args.scene or name in args.scene):
                chosen.append((name, ending, flavour, program, pollers))
    entries = known_differences(args.known, scenes, KINDS)
    if not chosen:
        sys.exit("no such scene")
    bad = total = 0
    for one in chosen:
        for text, complaints in play(*one, args, entries):
            total += 1
            bad += bool(complaints)
            print(f"{text}: {'FAILED' if complaints else 'ok'}")
            for line in complaints:
                print("    " + line.rstrip("\n").replace("\n", "\n    "), flush=True)
    print(f"{len({c[0] for c in chosen})} scenes, {total - bad} of {total} plays equal; {len(entries)} known differences are listed")
    sys.exit(1 if bad else 0)


main()
