# Runs an example and compares what it prints with what its first comment promises below "Prints:". With STYLES_REAL set, programs
# of examples/styles run by the real clock: then times are not compared, and, unless it says "order", neither is which line comes first,
# since on a loaded machine a shorter sleep may end after a longer one.
import os
import re
import subprocess
import sys

source, command = sys.argv[1], sys.argv[2:]
expected, inside = [], False
for line in open(source, encoding="utf-8"):
    text = re.sub(r"^\s?(//|/?\*+/?)", "", line.rstrip("\n"))
    if re.match(r" Prints.*:$", text):
        inside = True
    elif inside:
        if not text.startswith("   "):
            break
        expected.append(text[3:])
done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=90)
printed = done.stdout.splitlines()
real = os.environ.get("STYLES_REAL")
if real is not None:
    expected, printed = ([re.sub(r" *\d+\.\d s\b", " T s", line) for line in lines] for lines in (expected, printed))
    if real != "order":
        expected, printed = sorted(expected), sorted(printed)
sys.stdout.write(done.stdout)
if not expected:
    sys.exit(f"{source} promises nothing")
if done.returncode != 0:
    sys.exit(f"{command[0]} ended with status {done.returncode}")
if printed != expected:
    sys.exit("expected:\n" + "\n".join(expected))
