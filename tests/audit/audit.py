#!/usr/bin/env python3
"""Does a hub's OS thread ever wait anywhere but in its poller? Runs programs with WEFT_AUDIT and reads what they report at exit.

    audit.py --shim build/shim/libweft-shim.so -- COMMAND...      a command: its own processes preload the shim, or link Weft
    audit.py --shim ... --preload -- COMMAND...                   the shim is preloaded into it
    audit.py --shim ... --stage build/tests/stage_plain           every scene of tests/differential
    audit.py ... --blame CALL                                     passes only when the audit fails and names the call

Fails when a hub's thread waited elsewhere (the call is named), when the program failed, and when nothing was audited.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

BLAMED = re.compile(r"weft audit:   (\d+) (.*)(?<!made inline)$")
TRIES = 5
KERNEL_LOCKS = 3
HUB = re.compile(r"weft audit: thread \d+: (\d+) voluntary switches, (\d+) in (\d+) blocked waits .*: (ok|FAILED)$")


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shim", required=True)
    p.add_argument("--preload", action="store_true")
    p.add_argument("--stage")
    p.add_argument("--skip", action="append", default=[], metavar="SCENE")
    p.add_argument("--scene", action="append")
    p.add_argument("--blame", metavar="CALL")
    p.add_argument("--door", help="differential.py's; the audit sees calls through the rewritten sites")
    p.add_argument("command", nargs="*")
    return p.parse_args()


def audited(command, environment, time_limit):
    """Exit status and the lines of the report."""
    with tempfile.NamedTemporaryFile(prefix="weft-audit-", suffix=".txt") as report:
        environment = os.environ | environment | {"WEFT_AUDIT": report.name}
        try:
            status = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=time_limit)
        except subprocess.TimeoutExpired:
            return f"not over after {time_limit} s", []
        lines = report.read().decode(errors="replace").splitlines()
        if status.returncode != 0:
            print(status.stdout.decode(errors="replace")[-3000:])
            return f"exit status {status.returncode}", lines
        return None, lines


def blamed_in(lines, noise):
    """Calls that waited more than `noise` times in one hub."""
    return {found[2] for line in lines if (found := BLAMED.match(line)) and int(found[1]) > noise}


def audited_fairly(title, command, environment, time_limit, tries, noise):
    """A lock inside the kernel that another thread held for a moment is waited for now and then; a call that waits does so each time."""
    to_blame = None
    for _ in range(tries):
        problem, lines = audited(command, environment, time_limit)
        blamed = blamed_in(lines, noise)
        to_blame = blamed if to_blame is None else to_blame & blamed
        if problem or not to_blame:
            break
        print(f"{title}:\n" + "\n".join(lines))
    if not to_blame:
        lines = [line.replace("FAILED", "ok") for line in lines]
    return problem, lines


class totals:
    hubs = switches = in_polls = blocked = failed = 0


def count(lines):
    for line in lines:
        if found := HUB.match(line):
            totals.hubs += 1
            totals.switches += int(found[1])
            totals.in_polls += int(found[2])
            totals.blocked += int(found[3])
            totals.failed += found[4] == "FAILED"


def main():
    args = parse()
    preload = {"LD_PRELOAD": args.shim, "WEFT_DOOR": "sites"}
    trouble = []
    everything = []
    if args.stage:
        listing = subprocess.run([args.stage, "--list"], check=True, capture_output=True, text=True).stdout
        for _, scene, _ in map(str.split, listing.splitlines()):
            if scene in args.skip or (args.scene and scene not in args.scene):
                continue
            problem, lines = audited_fairly(f"scene {scene}", [args.stage, scene], preload, 60, 1 if args.blame else TRIES, 0)
            if problem:
                trouble.append(f"scene {scene}: {problem}")
            count(lines)
            everything += lines
    if args.command:
        # With threads of its own beside the hub a program meets the kernel's locks (mmap_lock) more often.
        problem, lines = audited_fairly("the command", args.command, preload if args.preload else {}, 380, TRIES, KERNEL_LOCKS)
        if problem:
            trouble.append(problem)
        print("\n".join(lines))
        count(lines)
        everything += lines
    print(f"{totals.hubs} hubs audited: {totals.switches} voluntary switches, {totals.in_polls} of them in {totals.blocked} blocked "
          f"waits of their pollers; {totals.failed} hubs waited elsewhere")
    if totals.hubs == 0 or (totals.blocked == 0 and not args.blame):
        trouble.append("no hub was audited, or none ever waited: was Weft active?")
    if args.blame:
        if not totals.failed or not any(f" in {args.blame} (" in line for line in everything):
            trouble.append(f"the audit was to fail and to name {args.blame}")
        else:
            totals.failed = 0
    sys.exit("\n".join(trouble) if trouble else 1 if totals.failed else 0)


main()
