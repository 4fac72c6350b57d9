# Reads meson's testlog.json: prints what each failing test said, then one line "N passed, N failed[, N skipped]".
# Exit status 1 when a test failed or none ran, so that an empty or broken run never looks like success.
#   summary.py LOG [LOG OF A REPETITION]...   a test of the first log that failed, but passed whenever it was repeated, counts as passed,
#                                             and is named as unsteady with what it said
#   summary.py --failed LOG                 only the names of the tests that failed, for `meson test`
import json
import os
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}
LONGEST = 20000     # of one test's output: its end says what went wrong



def read(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        return [json.loads(line) for line in file if line.strip()]


def wrong(test):
    return test["result"] not in PASSED | SKIPPED


if sys.argv[1] == "--failed":
    print("\n".join(t["name"].split(" / ", 1)[-1] for t in read(sys.argv[2]) if wrong(t)))
    sys.exit(0)

tests = read(sys.argv[1])
repeated = [t for path in sys.argv[2:] for t in read(path)]
steady_again = {t["name"] for t in repeated} - {t["name"] for t in repeated if wrong(t)}
failed = [t for t in tests if wrong(t) and t["name"] not in steady_again]
unsteady = [t for t in tests if wrong(t) and t["name"] in steady_again]
skipped = [t for t in tests if t["result"] in SKIPPED]
for test in unsteady + failed:
    word = "UNSTEADY (passed when repeated): " if test in unsteady else ""
    print(f"\n--- {word}{test['name']}: {test['result']}, status {test.get('returncode')}, {test['duration']:.1f} s")
    env = test.get("env") or {}
    print("    " + " ".join(f"{k}={v}" for k, v in env.items() if k.startswith(("WEFT_POLLER", "WEFT_WITHOUT", "LD_PRELOAD")))
          + " " + " ".join(test.get("command") or []))
    for stream in ("stdout", "stderr"):
        print((test.get(stream) or "")[-LONGEST:], end="")
for test in skipped:
    print(f"skipped: {test['name']}")
if not tests:
    print("no test ran")
print(f"{len(tests) - len(failed) - len(skipped)} passed, {len(failed)} failed"
      + (f", {len(skipped)} skipped" if skipped else ""))
sys.exit(1 if failed or len(tests) == len(skipped) else 0)
