# Compiles misuse.cpp with each compiler that is here: every mistake that is marked EXPECT gets that message, with its line, and nothing
# else is an error. So a person who makes the mistake reads one sentence that says what to do.
import os
import re
import shutil
import subprocess
import sys

source, include = sys.argv[1:3]
flags = ["-std=c++20", "-fsyntax-only", "-Werror=unused-result", "-I", include, source]
compilers = {"g++": ["-fmax-errors=0", "-fdiagnostics-plain-output"],
             "clang++": ["-ferror-limit=0", "-fno-caret-diagnostics", "-ftemplate-backtrace-limit=0"]}
name = os.path.basename(source)
expected = {}
for number, line in enumerate(open(source), 1):
    if (mark := re.search(r"// EXPECT: (.*)", line)):
        expected[number] = mark.group(1).strip()
assert len(expected) > 10

failures = []
for compiler in filter(shutil.which, compilers):
    done = subprocess.run([compiler, *compilers[compiler], *flags], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    # One error and the lines that lead to it: g++ puts "required from" before an error, clang notes behind it.
    chunks, lead = [], []
    for line in done.stderr.splitlines():
        if re.search(r"\b(fatal )?error:", line):
            chunks.append((line, lead + [line]))
            lead = []
        elif compiler == "clang++" and chunks:
            chunks[-1][1].append(line)
        elif compiler == "g++" and chunks and ": note:" in line:
            chunks[-1][1].append(line)
        else:
            lead.append(line)
    left = dict(expected)
    for error, around in chunks:
        lines = {int(n) for text in around for n in re.findall(rf"{re.escape(name)}:(\d+):", text)}
        at = [n for n in sorted(lines) if n in left and left[n] in error]
        if at:
            del left[at[0]]
        elif not any(n in expected and expected[n] in error for n in lines):
            failures.append(f"{compiler}: an error that is not expected:\n  " + "\n  ".join(around))
    failures += [f"{compiler}: {name}:{n}: nobody says: {text}" for n, text in left.items()]
    print(f"{compiler}: {len(chunks)} errors, {len(expected) - len(left)} of {len(expected)} as expected")

if failures:
    sys.exit("\n".join(failures))
