# Runs docs/tutorial.md as it stands: tutorial.py BUILD SOURCE. Its programs are written to files, its console blocks are typed into one
# shell, and what they print must be what stands there; "..." is anything, alone on a line any lines.
import os
import re
import signal
import subprocess
import sys
import tempfile

build, source = (os.path.abspath(p) for p in sys.argv[1:3])
with open(source + "/docs/tutorial.md", encoding="utf-8") as f:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", f.read(), re.S | re.M)

END = "==== status"
environment = {**os.environ, "CPATH": source + "/include", "LIBRARY_PATH": build, "LD_LIBRARY_PATH": build,
               "PATH": build + ":" + os.environ["PATH"]}


def pattern(lines):
    return "".join("(?:[^\n]*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") + "\n" for line in lines)


def split(block):
    steps = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


wrong = 0
with tempfile.TemporaryDirectory() as work:
    shell = subprocess.Popen(["bash"], cwd=work, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, errors="replace", start_new_session=True)
    ran = 0
    for kind, text in blocks:
        if kind != "console":
            name = re.match(r"(?://|#) (\S+)\n", text)[1]
            with open(f"{work}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
            continue
        for command, expected in split(text):
            shell.stdin.write(f"{command}\nprintf '\\n{END} %d\\n' $?\n")
            shell.stdin.flush()
            said = ""
            while (line := shell.stdout.readline()) and not line.startswith(END):
                said += line
            said = said[:-1] if said.endswith("\n") else said    # printf's own newline
            status = int(line.split()[-1]) if line else -1
            good = status == 0 and re.fullmatch(pattern(expected), said)
            print(("ok: " if good else f"WRONG, status {status}: ") + command, flush=True)
            ran += 1
            if not good:
                wrong += 1
                print(f"--- printed\n{said}--- but the tutorial says\n" + "\n".join(expected))
    shell.stdin.close()
    try:
        shell.wait(20)
    finally:
        try:
            os.killpg(shell.pid, signal.SIGKILL)    # what a failed command left
        except ProcessLookupError:
            pass
print(f"{ran} commands of the tutorial")
sys.exit(1 if wrong or ran < 10 else 0)
