"""1,000 names looked up at once from a name server that takes 50 ms for each answer, and counts the queries:
a time that is only short because answers were lost and asked for again, or one that needed that, is a failure.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import procs, table

COUNT, DELAY_MS, TARGET_MS = 1000, 50, 200


def once(build):
    """Milliseconds for all names, and how many queries the server saw beyond one a name."""
    folder = tempfile.mkdtemp(prefix="weft-resolve-")
    port_file, stats_file = os.path.join(folder, "port"), os.path.join(folder, "stats")
    server = subprocess.Popen(
        procs.pinned(procs.LOAD_CORE, [os.path.join(build, "dns_server"), "--port-file", port_file, "--stats-file", stats_file,
                                       "--wildcard", "many.test=192.0.2.7", "--delay-ms", DELAY_MS]),
        stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + procs.START_SECONDS
        while not os.path.exists(port_file):
            if server.poll() is not None or time.monotonic() > deadline:
                raise procs.Failed("dns_server did not start")
            time.sleep(0.001)
        with open(port_file) as file:
            port = file.read().strip()
        result = procs.run_json(procs.SERVER_CORE, [os.path.join(build, "resolve"), port, COUNT], 60)
        server.send_signal(signal.SIGTERM)
        server.wait(procs.START_SECONDS)
        with open(stats_file) as file:
            stats = dict(field.split("=") for field in file.read().split())
        return result["ms"], int(stats["queries"]) - COUNT - 1
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
        shutil.rmtree(folder)


def measure(build, runs, verdicts):
    print(f"\n{COUNT} look-ups at once, {DELAY_MS} ms each ({runs} runs)")
    try:
        results = [once(build) for _ in range(runs)]
    except (procs.Failed, OSError, subprocess.TimeoutExpired) as error:
        verdicts.failed("look-ups at once", error)
        return
    times, again = [ms for ms, _ in results], sum(extra for _, extra in results)
    table.show(["what", "ms", "min-max", "sent again"],
               [["all answered", f"{table.median(times):.1f}", f"{min(times):.1f}-{max(times):.1f}", again]])
    if again:
        verdicts.failed("look-ups at once", f"{again} queries were sent again")
    verdicts.at_most(f"{COUNT} look-ups of {DELAY_MS} ms at once (ms)", table.median(times), TARGET_MS, "{:.0f}")
