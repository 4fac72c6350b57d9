"""Starts pinned processes and never leaves one behind.

Relies on taskset and setpriv (util-linux). Everything a benchmark starts goes through here, so that
each process gets the same core, the same descriptor limit and dies with the harness.
"""
import json
import os
import resource
import select
import subprocess

# Two of the cores that this process may use; the same one twice where there is no other.
SERVER_CORE, LOAD_CORE = (str(core(os.sched_getaffinity(0))) for core in (min, max))
START_SECONDS, CONNECT_SECONDS, SLICE_SECONDS = 20, 90, 90


class Failed(Exception):
    """A benchmark program ended badly: its figures must not appear as if they were good."""


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def pinned(core, command):
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", core, *map(str, command)]


def run(core, command, seconds, settings=None):
    """Runs a program to its end; its standard output and standard error."""
    name = os.path.basename(str(command[0]))
    try:
        done = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=seconds,
                              env={**os.environ, **(settings or {})})
    except subprocess.TimeoutExpired:
        raise Failed(f"{name}: no end after {seconds} s") from None
    if done.returncode != 0:
        raise Failed(f"{name}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout, done.stderr


def json_of(text, command):
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"{os.path.basename(str(command[0]))}: not JSON: {text[:200]!r}") from None


def run_json(core, command, seconds, settings=None):
    """Runs one measuring program to its end and returns the JSON it printed."""
    return json_of(run(core, command, seconds, settings)[0], command)


class Child:
    """A pinned process that is talked to through its standard input and output."""

    def __init__(self, core, command):
        self.name = os.path.basename(str(command[0]))
        self.process = subprocess.Popen(pinned(core, command), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line(self, seconds):
        """The next line it prints; Failed if it ends or stays silent instead."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        text = self.process.stdout.readline().decode() if ready else ""
        if text:
            return text
        self.process.kill()
        _, err = self.process.communicate()
        why = err.decode(errors="replace").strip()[-300:] or ("ended" if ready else f"silent for {seconds} s")
        raise Failed(f"{self.name}: {why}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Server(Child):
    """An echo server on its core; stop() returns what it reported about itself, or {}."""

    def __init__(self, command, reports):
        super().__init__(SERVER_CORE, command)
        self.reports = reports
        first = self.line(START_SECONDS).strip()
        if not first.isdigit():
            self.kill()
            raise Failed(f"{self.name}: printed {first!r} instead of its port")
        self.port = int(first)
        self.pid = self.process.pid

    def stop(self):
        if not self.reports:
            self.kill()
            return {}
        try:
            out, err = self.process.communicate(input=b"", timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name}: did not stop when its input ended") from None
        if self.process.returncode != 0:
            raise Failed(f"{self.name}: exit {self.process.returncode}: {err.decode(errors='replace')[-300:]}")
        return json.loads(out)


class Load(Child):
    """A load generator connected to one server, ready to run slices."""

    def __init__(self, program, server, connections):
        self.connections = connections
        super().__init__(LOAD_CORE, [program, server.port, server.pid, connections])
        try:
            self.line(CONNECT_SECONDS)
        except Failed:
            self.kill()
            raise

    def slice(self, warmup, requests):
        self.process.stdin.write(f"{warmup} {requests}\n".encode())
        self.process.stdin.flush()
        return json.loads(self.line(SLICE_SECONDS))
