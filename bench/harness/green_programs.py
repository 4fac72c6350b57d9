"""Programs as Debian ships them, and one with OpenMP, all pinned to one core: what computes or spins must make progress. And what
`weft run` adds to the start of one that does nothing.
"""
import os
import re
import shutil
import socket
import sys
import tempfile
import time

from . import green_run, memory, procs, start, table

PYTHON_TARGET, SPIN_TARGET, START_TARGET_MS = 1.3, 0.5, 4.0
PYTHON_PAIR = """
import threading, time
def work():
    total = 0
    for i in range({rounds}):
        total += i * i
pair = [threading.Thread(target=work) for _ in range(2)]
began = time.monotonic()
for t in pair: t.start()
for t in pair: t.join()
print('{{"seconds": %.4f}}' % (time.monotonic() - began))
"""


def in_turn(runs, native, green):
    """Figures of both, one run each in turn."""
    pairs = [(native(), green()) for _ in range(runs)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def show_pair(what, unit, native, green, form):
    table.show([what, unit, "min-max"],
               [[name, form.format(table.median(of)), form.format(min(of)) + "-" + form.format(max(of))]
                for name, of in (("native", native), ("weft run", green))])


def seconds_of(build, words, settings, least):
    """Two functions that run a program which prints its seconds."""
    core = procs.SERVER_CORE
    return (lambda: procs.run_json(core, words, 120, settings)["seconds"],
            lambda: green_run.run_json(build, core, words, 120, settings=settings, least=least)["seconds"])


def measure_python(build, runs, quick, verdicts):
    what = "two computing Python threads on one core: weft run / native"
    words = [sys.executable, "-c", PYTHON_PAIR.format(rounds=1_000_000 if quick else 4_000_000)]
    try:
        native, green = in_turn(runs, *seconds_of(build, words, None, 2))
    except procs.Failed as error:
        verdicts.failed(what, error)
        return
    show_pair("two computing Python threads", "s", native, green, "{:.2f}")
    verdicts.at_most(what, table.paired_ratio(green, native), PYTHON_TARGET)


def measure_team(build, runs, quick, verdicts):
    what = "OpenMP, 4 spinning threads on one core: speed of weft run / native"
    words = [os.path.join(build, "team"), 4, 500 if quick else 2_000]
    if not os.path.exists(words[0]):
        verdicts.failed(what, "built without OpenMP")
        return
    try:
        native, green = in_turn(runs, *seconds_of(build, words, {"OMP_WAIT_POLICY": "active"}, 3))
    except procs.Failed as error:
        verdicts.failed(what, error)
        return
    show_pair("OpenMP, 4 spinning threads", "s", native, green, "{:.2f}")
    verdicts.at_least(what, table.paired_ratio(native, green), SPIN_TARGET)


class Redis(procs.Child):
    """redis-server with two I/O threads on the server's core."""

    def __init__(self, build, folder, green):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        words = [shutil.which("redis-server"), "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                 "--io-threads", "2", "--io-threads-do-reads", "yes", "--dir", folder]
        super().__init__(procs.SERVER_CORE, green_run.command(build, words) if green else words)
        try:
            self.wait_until_up()
            if green and memory.threads(self.process.pid) > 2:
                raise procs.Failed("not green: redis-server has its threads from the kernel")
        except procs.Failed:
            self.kill()
            raise

    def wait_until_up(self):
        deadline = time.monotonic() + procs.START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise procs.Failed("redis-server did not start")

    def requests_a_second(self, count):
        out, _ = procs.run(procs.LOAD_CORE, [shutil.which("redis-benchmark"), "-p", self.port, "-t", "set,get", "-n", count, "-c", "50",
                                             "-d", "32", "--csv"], 120)
        rates = [float(rate) for rate in re.findall(r'^"[SG]ET","([\d.]+)"', out, re.MULTILINE)]
        if len(rates) != 2:
            raise procs.Failed(f"redis-benchmark: {out[-200:]!r}")
        return sum(rates) / 2


def measure_redis(build, runs, quick, verdicts):
    what = "redis --io-threads 2 on one core: requests/s of weft run / native"
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        print("  left out: redis (redis-server or redis-benchmark is not installed)")
        return
    folder, servers = tempfile.mkdtemp(prefix="weft-redis-"), []
    try:
        servers = [Redis(build, folder, green) for green in (False, True)]
        count = 5_000 if quick else 30_000
        native, green = in_turn(runs, *(lambda s=s: s.requests_a_second(count) for s in servers))
    except (procs.Failed, OSError) as error:
        verdicts.failed(what, error)
        return
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    show_pair("redis-server --io-threads 2", "requests/s", native, green, "{:,.0f}")
    verdicts.at_least(what, table.paired_ratio(green, native), SPIN_TARGET)


def measure_start(build, runs, quick, verdicts):
    what = "CPU added to /bin/true by weft run, warm cache (ms)"
    folder = tempfile.mkdtemp(prefix="weft-start-")
    try:
        settings = {"WEFT_CACHE": os.path.join(folder, "cache")}
        green = green_run.command(build, ["/bin/true"])
        start.cpu_ms(settings, green)
        native, added = in_turn(30 if quick else 100, lambda: start.cpu_ms({}), lambda: start.cpu_ms(settings, green))
        if not os.listdir(settings["WEFT_CACHE"]):
            raise procs.Failed("no site table was kept: the shim was not active")
    except (procs.Failed, OSError) as error:
        verdicts.failed(what, error)
        return
    finally:
        shutil.rmtree(folder)
    show_pair("/bin/true", "CPU ms", native, added, "{:.2f}")
    verdicts.at_most(what, table.median([b - a for a, b in zip(native, added)]), START_TARGET_MS)


def measure(build, runs, quick, verdicts):
    print(f"\nPrograms pinned to one core (medians of {runs} interleaved runs)")
    for one in (measure_python, measure_team, measure_redis, measure_start):
        one(build, runs, quick, verdicts)
