# Starts gdb on a scene, and looks.py inside it: live, in a core dump, with a stripped libweft.so.
#   run.py SCENE-PROGRAM LOOK [core | stripped | threads | green]...
# Needs gdb, and a kernel that lets a process trace another; without either the test is skipped, saying so.
import os
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
program, look, options = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3:]
library, shim = os.path.realpath(os.environ["WEFT_LIBRARY"]), os.environ["WEFT_SHIM"]
SKIPPED = 77


def gdb(arguments, env=None, **more):
    command = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off",
               "-iex", "set debug-file-directory /nowhere", *arguments]  # libc's debugging information is not everywhere
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, **more)


def skip(why):
    print("skipped:", why)
    sys.exit(SKIPPED)


if shutil.which("gdb") is None:
    skip("gdb is not installed")
tried = gdb(["-ex", "run", "/bin/true"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if "exited normally" not in tried.stdout:
    skip("gdb cannot run a program here:\n" + tried.stdout)

with tempfile.TemporaryDirectory() as scratch:
    env = dict(os.environ, WEFT_SCENES=here)
    safe, inferior = [os.path.dirname(library)], []
    if "stripped" in options:
        # Nothing but what the dynamic linker needs, and the script beside it, as a package has it.
        for file in (library, shim):
            copy = os.path.join(scratch, os.path.basename(file))
            subprocess.run(["strip", "--strip-unneeded", "-o", copy, file], check=True)
        shutil.copy(library + "-gdb.py", scratch)
        shim = os.path.join(scratch, os.path.basename(shim))
        os.symlink(os.path.basename(library), os.path.join(scratch, "libweft.so.0"))
        inferior.append("LD_LIBRARY_PATH=" + scratch)
        safe = [scratch]
    if "green" in options or "threads" in options:
        inferior += ["LD_PRELOAD=" + shim, "WEFT_STRICT=1"]
    if "green" in options:
        inferior.append("WEFT_MODE=green")
    elif "core" in options:
        # gdb's generate-core-file stops at pages that are guards without a mapping of their own; "fiber core" does not.
        inferior.append("WEFT_WITHOUT=guard")
    arguments = []
    for directory in safe:
        arguments += ["-iex", "add-auto-load-safe-path " + directory]
    start = ["-ex", "set exec-wrapper env " + " ".join(inferior)]
    looks = ["-x", os.path.join(here, "looks.py")]
    env["WEFT_CORE"] = os.path.join(scratch, "core")
    if "core" in options:
        env["WEFT_LOOK"] = look + "_is_made"
        made = gdb(arguments + start + looks + [program], env)
        if made.returncode != 0:
            sys.exit("no core dump was made")
        env["WEFT_LOOK"] = look
        sys.exit(gdb(arguments + looks + [program, env["WEFT_CORE"]], env).returncode)
    env["WEFT_LOOK"] = look
    sys.exit(gdb(arguments + start + looks + [program], env).returncode)
