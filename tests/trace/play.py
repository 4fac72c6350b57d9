# Runs programs with a trace, and reads what they leave: each case is a function; `play.py NAME...` plays those named.
#
# Nothing here depends on speed or on who runs first: where an order is looked at, the program enforces it.
import argparse
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from check import Trace, require

options = argparse.ArgumentParser()
options.add_argument("--weft")
options.add_argument("--fibers")
options.add_argument("--threads")
options.add_argument("--mode", choices=["library", "run"], required=True)
options.add_argument("names", nargs="*")
asked = options.parse_args()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what is left behind is looked at


class Run:
    def __init__(self, words, trace="t.json", size=None, expect=0, env=None, how=None):
        self.folder = how.folder if how else tempfile.mkdtemp(prefix="weft-trace-", dir=os.environ.get("TMPDIR"))
        settings = {k: v for k, v in os.environ.items() if not k.startswith("WEFT_TRACE")} | (env or {})
        if trace is not None:
            settings["WEFT_TRACE"] = os.path.join(self.folder, trace)
        if size is not None:
            settings["WEFT_TRACE_SIZE"] = size
        self.process = subprocess.Popen(words, env=settings, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.out, self.err = self.process.communicate(timeout=50)
        require(self.process.returncode == expect, f"{words} ended with {self.process.returncode}, not {expect}: {self.err}")

    def files(self):
        return sorted(os.listdir(self.folder))

    def trace(self, name="t.json"):
        return Trace(os.path.join(self.folder, name))

    def path(self, name):
        return os.path.join(self.folder, name)


def fibers(*words, **keys):
    return Run([asked.fibers, *words], **keys)


def threads(*words, option="t.json", **keys):
    how = ["--trace", option] if option else []
    return Run([asked.weft, "run", *how, "--", asked.threads, *words], trace=None, **keys)


def wanted(t, row, *expected):
    got = [(e["name"], round(e["dur"])) for e in t.row(row) if round(e["dur"]) != 0]
    require(got == list(expected), f"{row} did {got}, not {expected}")


def is_thread_exchange(t):
    for row in ("producer", "consumer"):
        names = {e["name"] for e in t.row(row)}
        require({"running", "futex"} <= names, f"{row} was at {names}")
    require(("wake", "consumer", "producer") in t.arrows or ("wake", "producer", "consumer") in t.arrows, f"nobody woke: {t.arrows}")
    require(any(name == "spawn" and to in ("producer", "consumer") for name, _, to in t.arrows), f"nobody was made: {t.arrows}")
    require(all("futex" in e["args"] for e in t.row("consumer", lambda e: e["name"] == "futex")), "a futex without its address")


# ---- fibers, with WEFT_TRACE


def clock_tells_exactly():
    r = fibers("clock")
    t = r.trace()
    require(r.files() == ["t.json"], f"left behind: {r.files()}")
    # Microseconds of the virtual clock; what fibers do takes none.
    wanted(t, "sleeper", ("sleep", 3000))
    wanted(t, "waiter", ("event.wait", 3000))
    order = [e["name"] for e in t.row("waiter")]
    require(order == ["ready", "running", "event.wait", "ready", "running", "ready", "running"], f"waiter: {order}")
    order = [e["name"] for e in t.row("sleeper")]
    require(order == ["ready", "running", "sleep", "ready", "running"], f"sleeper: {order}")
    waits = t.row("waiter", lambda e: e["cat"] == "parked")
    require(waits[0]["args"] == {"woken by": "sleeper"}, f"{waits}")
    sleep = t.row("sleeper", lambda e: e["cat"] == "parked")[0]["args"]
    require(sleep["ended by"] == "timeout" and "until_us" in sleep, f"{sleep}")
    require(t.row("waiter", lambda e: e["name"] == "ready")[-1]["args"] == {"after": "yield"}, "a yield")
    seen = sorted(a for a in t.arrows if not a[1].startswith("hub"))
    require(seen == [("spawn", "main", "sleeper"), ("spawn", "main", "waiter"), ("wake", "sleeper", "main"), ("wake", "sleeper", "waiter"),
                     ("wake", "waiter", "main")], f"arrows: {seen}")
    require(t.other["dropped events"] == 0 and t.other["ended by"] == "exit" and t.other["hubs"] == 1, f"{t.other}")


def another_hub_wakes():
    t = fibers("hubs").trace()
    require(t.other["hubs"] == 2, f"{t.other}")
    require(("wake", "sender", "post") in t.arrows or ("spawn", "sender", "post") in t.arrows, f"{t.arrows}")
    require(any(n.startswith("main of thread") for n in t.names.values()) and "main" in t.names.values(), f"{t.names}")
    require(sum(n.startswith("hub of thread") for n in t.names.values()) == 2, f"{t.names}")


def oldest_go_when_it_is_full():
    r = fibers("overflow", size="256K")
    t = r.trace()
    require(t.other["dropped events"] > 300_000, f"{t.other}")
    require(any("events were dropped" in m["name"] for m in t.marks), "the mark")
    require(8 * 512 < len(t.events) < 8 * 1023 * 6, f"{len(t.events)} events")
    require('other "quoted" ?' in t.names.values(), f"{t.names}")
    require(os.path.getsize(r.path("t.json")) < 8 << 20, "its size")


def stalls_are_marked():
    t = fibers("stall").trace()
    marks = [m["name"] for m in t.marks if m["cat"] == "watchdog" and t.names[m["pid"], m["tid"]] == "worker"]
    require(any(m.startswith("nobody else has run for ") and m.endswith(" ms: computes") for m in marks), f"{t.marks}")


def look_ups_name_what_is_resolved():
    # A name server that knows no name.
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(50)

    def answer():
        while (query := server.recvfrom(512))[0] != b"over":
            server.sendto(query[0][:2] + b"\x81\x83" + query[0][4:6] + bytes(6) + query[0][12:], query[1])

    with server, tempfile.NamedTemporaryFile("w", prefix="weft-trace-") as conf:
        conf.write("nameserver 127.0.0.1:%d\n" % server.getsockname()[1])
        conf.flush()
        serving = threading.Thread(target=answer, daemon=True)
        serving.start()
        r = fibers("resolve", env={"WEFT_RESOLV_CONF": conf.name, "WEFT_RESOLVER": "ares"})
        server.sendto(b"over", server.getsockname())
        serving.join()
    require(int(r.out) != 0, "it was found")
    waits = [e["name"] for e in r.trace().row("asker", lambda e: e["cat"] == "parked")]
    require(waits[:1] == ["resolving a-rather-long-name.of.weft.test"], f"{waits}")


def tasks_have_rows():
    t = fibers("task").trace()
    require({e["name"] for e in t.row("napper")} >= {"running", "sleep", "ready"}, f"{t.row('napper')}")
    require(("wake", "napper", "main") in t.arrows, f"{t.arrows}")


def stretches_are_chosen():
    r = fibers("stretch", "a.json", "b.json", trace=None)
    require(r.files() == ["a.json", "b.json"], f"{r.files()}")
    for name, turns in (("a.json", 4), ("b.json", 6)):
        t = r.trace(name)
        pings = [e for e in t.row("main") if e["name"] == "event.wait"]
        require(len(pings) == turns and t.other["ended by"] == "trace_stop", f"{name}: {len(pings)} waits, {t.other}")


def deadly_signals_are_seen():
    for number in (signal.SIGTERM, signal.SIGABRT, signal.SIGSEGV, signal.SIGINT, signal.SIGUSR1):
        r = fibers("die", str(int(number)), expect=-number)
        t = r.trace()
        require(t.other["ended by"] == f"signal {int(number)}" and len(t.arrows) >= 6 and r.files() == ["t.json"], f"{t.other} {r.files()}")


def exit_at_once_is_seen():
    r = fibers("_exit", expect=3)
    require(len(r.trace().arrows) >= 6 and r.files() == ["t.json"], f"{r.files()}")


def exec_is_seen():
    r = fibers("exec")
    first, second = r.trace(), r.trace(f"t.json.{r.process.pid}")
    require(first.other["ended by"] == "exec" and second.other["ended by"] == "exit", f"{first.other} {second.other}")
    require("sleeper" in second.names.values() and len(r.files()) == 2, f"{second.names} {r.files()}")


def forked_child_has_its_own():
    r = fibers("fork")
    require(len(r.files()) == 2, f"{r.files()}")
    child = r.trace(next(f for f in r.files() if f != "t.json"))
    require(child.other["forked from"] == r.process.pid == r.trace().other["process"] != child.other["process"], f"{child.other}")
    require(len([e for e in child.row("main") if e["name"] == "event.wait"]) == 4, "its waits")


def killed_leaves_what_makes_it():
    r = fibers("kill", expect=-signal.SIGKILL)
    require(r.files() == ["t.json", "t.json.raw"], f"{r.files()}")
    require(r.trace().events == [], "a trace that is empty, until it is made")
    subprocess.run([asked.weft, "trace", r.path("t.json")], check=True)
    require(len(r.trace().arrows) >= 6, "made from what was left")
    refused = subprocess.run([asked.weft, "trace", r.path("t.json"), "-o", "/nowhere/t"], stderr=subprocess.PIPE, text=True)
    require(refused.returncode == 1 and "/nowhere/t" in refused.stderr, f"{refused}")
    os.rename(r.path("t.json.raw"), r.path("away"))
    refused = subprocess.run([asked.weft, "trace", r.path("t.json")], stderr=subprocess.PIPE, text=True)
    require(refused.returncode == 1 and "whole already" in refused.stderr, f"{refused}")
    with open(r.path("other.raw"), "wb") as f:
        f.write(b"no trace")
    refused = subprocess.run([asked.weft, "trace", r.path("other.raw")], stderr=subprocess.PIPE, text=True)
    require(refused.returncode == 1 and "no trace" in refused.stderr, f"{refused}")


def process_stands_in_the_name():
    r = fibers("clock", trace="of-%p.json")
    require(r.files() == [f"of-{r.process.pid}.json"], f"{r.files()}")


def unwritable_is_told_in_one_line():
    r = fibers("clock", trace="no/such/folder.json")
    require(len(r.err.splitlines()) == 1 and "no/such/folder.json: No such file" in r.err and r.files() == [], f"{r.err} {r.files()}")


def no_room_for_the_file_is_no_harm():
    # A limit on files that the mapped file would exceed: memory serves.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        r = fibers("clock")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    wanted(r.trace(), "sleeper", ("sleep", 3000))


# ---- threads, with weft run --trace


def threads_have_rows():
    r = threads()
    t = r.trace()
    is_thread_exchange(t)
    require(t.other["ended by"] in ("exit", "exit or signal") and r.files() == ["t.json"], f"{t.other} {r.files()}")
    rows = {name: tid for (_, tid), name in t.names.items()}
    require(rows["producer"] >= 1 << 24 and rows["main"] == r.process.pid, f"{rows}")


def every_end_of_threads_is_seen():
    for end, expect in (("exit", 4), ("_exit", 5), ("signal", -signal.SIGTERM), ("abort", -signal.SIGABRT)):
        r = threads(end, expect=expect)
        is_thread_exchange(r.trace())
        require(r.files() == ["t.json"], f"{end}: {r.files()}")


def threads_exec_and_fork():
    r = threads("exec")
    is_thread_exchange(r.trace())
    is_thread_exchange(r.trace(f"t.json.{r.process.pid}"))
    r = threads("fork")
    require(len(r.files()) == 2, f"{r.files()}")
    for name in r.files():
        is_thread_exchange(r.trace(name))


def threads_killed():
    r = threads("kill", expect=-signal.SIGKILL)
    subprocess.run([asked.weft, "trace", r.path("t.json.raw")], check=True)
    is_thread_exchange(r.trace())


def reads_name_their_descriptor():
    r = threads("read")
    t = r.trace()
    reads = [e for slices in t.slices.values() for e in slices if e["name"] == "read"]
    require([e["args"]["fd"] for e in reads] == [int(r.out)], f"{reads} {r.out}")


def without_threads_it_is_empty():
    r = threads("nothing")
    require(r.trace().events == [] and r.files() == ["t.json"], f"{r.files()}")


def shell_leaves_the_name_to_what_it_starts():
    r = Run([asked.weft, "run", "--trace", "t.json", "--", "sh", "-c", f"{asked.threads} && {asked.threads}; true"], trace=None)
    require(len(r.files()) == 2, f"{r.files()}")
    for name in r.files():
        is_thread_exchange(r.trace(name))


def overflow_of_threads():
    t = threads("return", "5000", size="256K").trace()
    require(t.other["dropped events"] > 0, f"{t.other}")


cases = {
    "library": [clock_tells_exactly, another_hub_wakes, oldest_go_when_it_is_full, tasks_have_rows, stalls_are_marked,
                look_ups_name_what_is_resolved, stretches_are_chosen, deadly_signals_are_seen, exit_at_once_is_seen, exec_is_seen,
                forked_child_has_its_own, killed_leaves_what_makes_it,
                process_stands_in_the_name, unwritable_is_told_in_one_line, no_room_for_the_file_is_no_harm],
    "run": [threads_have_rows, every_end_of_threads_is_seen, threads_exec_and_fork, threads_killed, reads_name_their_descriptor,
            without_threads_it_is_empty, shell_leaves_the_name_to_what_it_starts, overflow_of_threads],
}
chosen = [c for c in cases[asked.mode] if not asked.names or c.__name__ in asked.names]
require(len(chosen) >= len(asked.names), f"no such case among {asked.names}")
failed = 0
for case in chosen:
    try:
        with tempfile.TemporaryDirectory(prefix="weft-trace-") as folder:
            os.environ["TMPDIR"] = folder
            case()
        print(f"ok      {case.__name__}")
    except Exception as e:
        failed += 1
        print(f"FAILED  {case.__name__}: {type(e).__name__}: {e}")
sys.exit(1 if failed else 0)
