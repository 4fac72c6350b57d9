# `weft doctor` and `weft explain`: doctor.py WEFT TRIAL. The trial that doctor makes must have run green; explain must tell programs
# apart that can from those that cannot, and survive files that are broken anywhere.
import os
import random
import stat
import subprocess
import sys
import tempfile

weft, trial = map(os.path.abspath, sys.argv[1:3])  # some of the calls below are made in another directory
wrong = 0


def ask(*words, **more):
    done = subprocess.run([weft, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=300, **more)
    return done.returncode, done.stdout


def check(what, good, said):
    global wrong
    print(("ok: " if good else "WRONG: ") + what)
    if not good:
        wrong += 1
        print(said)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, stat.S_IRWXU)
    return path


status, said = ask("doctor")
check("doctor's trial ran green", status == 0 and "a program of two threads ran green" in said, said)
check("doctor tells the limits", all(word in said for word in ("descriptors", "mappings", "threads", "io_uring", "guard pages")), said)
status, said = ask("doctor", env={**os.environ, "WEFT_CACHE": "off"})
check("a cache that is off is told, and is no reason to run natively", status == 0 and "limited  site cache" in said, said)
status, said = ask("doctor", env={**os.environ, "WEFT_WITHOUT": "fsgsbase"})
check("a trial that runs natively is told with its reason, and is the exit status",
      status == 1 and "FSGSBASE" in said.split("a trial")[1], said)

status, said = ask("explain", trial)
check("a pthread program runs green", status == 0 and "runs green" in said and "made by weft-trial" in said, said)
check("libc's sites are counted", " of " in said and "sites in" in said and "0 of 0" not in said, said)
status, said = ask("explain", "true")
check("a program is found by its name", status == 0 and "made by none of these" in said, said)
status, said = ask("explain", "no-such-program-anywhere")
check("a program that is not there", status == 2 and "no such program" in said, said)
status, said = ask("explain")
check("no program at all is an error of usage", status > 2, said)

for words, wanted in (((), "Subcommands:"), (("frobnicate",), "weft run -- frobnicate"),
                      (("run",), "weft run: no PROGRAM is given: weft run -- PROGRAM\n"),
                      (("run", "--stat", "--", "true"), "there is no option --stat; is it --stats?"),
                      (("run", "--watchdog", "x", "--", "true"), "--watchdog: x is not a number from 1 to 86400000\n`weft run --help`"),
                      (("run", "--stack-size", "3q", "--", "true"), "--stack-size: 3q is no size from 16k to 1t: "),
                      (("run", "--stack-size", "3", "--", "true"), "--stack-size: 3 is no size from 16k to 1t: "),
                      (("run", "--mode", "blue", "--", "true"), "--mode: blue is neither green nor fibers"),
                      (("explain",), "weft explain: no PROGRAM is given: weft explain PROGRAM\n`weft explain --help`"),
                      (("ps",), "weft ps: no PID is given: weft ps PID\n`weft ps --help`"),
                      (("bt",), "weft bt: no PID is given: weft bt PID\n"), (("top",), "weft top: no PID is given: weft top PID\n"),
                      (("trace",), "weft trace: no FILE is given: weft trace FILE\n"),
                      (("ps", "memcached"), "weft ps: memcached is no process's number; `pgrep memcached` tells that of a program\n"),
                      (("ps", "1", "2"), "weft ps: 2 is one word too many: weft ps PID\n"),
                      (("ps", "--jsn", "1"), "weft ps: there is no option --jsn; is it --json?\n"),
                      (("bt", "1", "--frames"), "weft bt: --frames wants a value behind it\n"),
                      (("top", "1", "--rows", "0"), "weft top: --rows: 0 is not a number from 1 to 10000\n"),
                      (("top", "1", "-n", "some"), "weft top: --count: some is no number\n")):
    status, said = ask(*words)
    check(f"`weft {' '.join(words)}` says what to do", status not in (0, 1, 2) and wanted in said, said)

with tempfile.TemporaryDirectory() as folder:
    script = write(folder + "/script", b"#!/usr/bin/env -S sh\n:\n")
    status, said = ask("explain", script)
    check("a script is judged by its interpreter", status == 0 and "run by " in said and "/sh" in said, said)
    plain = write(folder + "/plain", b"echo hello\n")
    status, said = ask("explain", plain)
    check("a script without a first line is sh's", status == 0 and "run by /bin/sh, as it has no #! line" in said, said)
    os.chmod(plain, stat.S_IRUSR)
    status, said = ask("explain", plain)
    check("a file that is not executable is told as that", status == 2 and "not marked executable (chmod +x" in said, said)
    status, said = ask("run", "--", plain)
    check("and so when it is to be run", status == 126 and "not marked executable (chmod +x" in said, said)
    status, said = ask("explain", folder)
    check("a directory is told as that", status == 2 and "is a directory" in said, said)
    status, said = ask("run", "--", folder)
    check("and so when it is to be run", status == 126 and "is a directory" in said, said)
    status, said = ask("run", "--", "plain", cwd=folder)
    check("a program beside the user and not in PATH", status == 127 and "not found in PATH; ./plain is there" in said, said)
    status, said = ask("run", "--", write(folder + "/lost", b"#!/no/such/interpreter\n"))
    check("a script's missing interpreter is named", status == 127 and "interpreter /no/such/interpreter is missing" in said, said)
    with open(os.path.realpath("/bin/true"), "rb") as f:
        whole = f.read()
    foreign = bytearray(whole)
    foreign[18:20] = b"\xb7\x00"    # e_machine: AArch64
    status, said = ask("explain", write(folder + "/foreign", bytes(foreign)))
    check("a program of another machine runs natively", status == 1 and "runs natively: not an x86-64 program" in said, said)
    status, said = ask("explain", trial, folder + "/foreign")
    check("of several, the worst is the exit status", status == 1 and "runs green" in said, said)

    # Broken at random: an answer or an error, never a signal.
    seed = int(os.environ.get("WEFT_TEST_SEED", "1"))
    dice = random.Random(seed)
    bad = []
    for turn in range(40):
        broken = bytearray(whole[:dice.randrange(len(whole))] if turn % 4 == 0 else whole)
        for _ in range(dice.randrange(1, 30)):
            if broken:
                broken[dice.randrange(min(len(broken), 1024 if turn % 2 else len(broken)))] = dice.randrange(256)
        status, said = ask("explain", write(folder + "/broken", bytes(broken)))
        if status not in (0, 1, 2):
            bad.append(f"turn {turn}: status {status}: {said[-500:]}")
    check(f"files broken at random are answered (seed {seed})", not bad, "\n".join(bad))

sys.exit(1 if wrong else 0)
