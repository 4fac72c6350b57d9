# Every public header compiles on its own, first and alone in a file: as C++20 with each compiler that is here, and
# weft.h as C11 too. Two includes of it in a row must be as good as one.
import concurrent.futures
import os
import shutil
import subprocess
import sys

from tree import files, finish, root

FLAGS = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", os.path.join(root, "include")]
headers = [f for f in files("include", suffixes=(".hpp", ".h")) if f.startswith("include/weft/")]
jobs = []
for header in headers:
    name = header.removeprefix("include/")
    for compiler in filter(shutil.which, ["g++", "clang++"]):
        jobs.append((header, [compiler, "-x", "c++", "-std=c++20", *FLAGS, "-"], name))
    if name.endswith(".h"):
        for compiler in filter(shutil.which, ["gcc", "clang"]):
            jobs.append((header, [compiler, "-x", "c", "-std=c11", "-Wpedantic", *FLAGS, "-"], name))


def compile_alone(job):
    header, command, name = job
    done = subprocess.run(command, input=f"#include <{name}>\n#include <{name}>\n", capture_output=True, text=True)
    return None if done.returncode == 0 else f"{header}: {command[0]} says:\n{done.stderr}"


with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    results = list(pool.map(compile_alone, jobs))
if not any("g++" in command[0] for _, command, _ in jobs):
    sys.exit("no C++ compiler, or no public header")
finish([r for r in results if r], len(jobs))
