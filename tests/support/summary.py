# Reads meson's testlog.json: prints what each failing test said, then one line "N passed, N failed[, N skipped]".
# Exit status 1 when a test failed or none ran, so that an empty or broken run never looks like success.
import json
import os
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}
LONGEST = 20000     # of one test's output: its end says what went wrong

tests = []
if os.path.exists(sys.argv[1]):
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        tests = [json.loads(line) for line in file if line.strip()]

failed = [t for t in tests if t["result"] not in PASSED | SKIPPED]
skipped = [t for t in tests if t["result"] in SKIPPED]
for test in failed:
    print(f"\n--- {test['name']}: {test['result']}, status {test.get('returncode')}, {test['duration']:.1f} s")
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
