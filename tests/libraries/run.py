# Runs a library test against its real server: run.py SERVER TEST-PROGRAM [doctest option...]
# WEFT_SHIM names the shim, as meson sets it for every test.
#                                            run.py --example SERVER COMMAND...: once, {port} in COMMAND being the server's
# Brings the server up once, runs the program by each way into Weft and with both pollers, then ends the server. Fails when one of
# the runs does, and says which.
import os
import subprocess
import sys

import servers
from place import Place, Trouble

WAYS = [("patch_all()", {}), ("LD_PRELOAD", {"LD_PRELOAD": True}), ("symbols", {"LD_PRELOAD": True, "WEFT_DOOR": "symbols"})]
# stdio waits inside libc, where no interposed function is.
LEFT_OUT = {"symbols": ["--test-case-exclude=stdio:*"]}
POLLERS = ["epoll", "select"]


def run(server, program, options):
    failed = []
    with Place() as place:
        where = servers.BY_NAME[server](place)
        for way, changes in WAYS:
            if way == "symbols" and "WEFT_AUDIT" in os.environ:
                continue  # calls inside libc pass no symbol: there is nothing to audit
            for poller in POLLERS:
                environment = os.environ | where | {"WEFT_POLLER": poller, "WEFT_TEST_WAY": way}
                if "LD_PRELOAD" in changes:
                    environment["LD_PRELOAD"] = os.environ["WEFT_SHIM"]
                environment["WEFT_DOOR"] = changes.get("WEFT_DOOR", "sites")
                print(f"-- {way}, {poller}", flush=True)
                command = [program, *options, *LEFT_OUT.get(way, [])]
                status = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, timeout=180).returncode
                if status != 0:
                    failed.append(f"{way}, {poller}: status {status}")
    if failed:
        sys.exit("failed by " + "; ".join(failed))


def run_example(server, command):
    with Place() as place:
        where = servers.BY_NAME[server](place)
        port = where.get("WEFT_TEST_DIRECT_PORT", where["WEFT_TEST_PORT"])
        sys.exit(subprocess.run([word.replace("{port}", port) for word in command], stdin=subprocess.DEVNULL, timeout=120).returncode)


try:
    if sys.argv[1] == "--example":
        run_example(sys.argv[2], sys.argv[3:])
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
except Trouble as trouble:
    sys.exit(str(trouble))
except subprocess.TimeoutExpired as late:
    sys.exit(f"{late.cmd[0]} did not end within {late.timeout:.0f} s")
