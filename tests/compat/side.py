# One side of a comparison: the same programs, started natively or under `weft run`, timed, watched and ended in the same way.
# Relies on Place (tests/libraries: a temporary directory, free loopback ports, helper
# processes that end with this one) and on /proc.
# It must never end a process that it did not start, and never compare: that is compare.py's.
import contextlib
import os
import select
import signal
import subprocess
import sys

import green

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "libraries"))
from place import Place, Trouble, accepts, plain_environment  # noqa: E402
from watch import Watch, describe, family  # noqa: E402


class Ended:
    """What a program under test left: its status as subprocess gives it (negative: the signal), its outputs, what it used."""

    def __init__(self, status, out, err, usage, watch):
        self.status, self.out, self.err, self.usage, self.watch = status, out, err, usage, watch

    def __str__(self):
        return f"status {self.status}\n{self.out[-2000:]}\n{self.err[-4000:]}"


class Program:
    """A program under test while it runs."""

    def __init__(self, side, command, user, env, cwd, stdin, number):
        self.side, self.name, self.port = side, os.path.basename(command[0]), None
        self.files = [side.file(f"{number}.{stream}") for stream in ("out", "err")]
        with open(self.files[0], "wb") as out, open(self.files[1], "wb") as err:
            self.process = subprocess.Popen(side.as_user(side.prefix + command, user), stdin=stdin, stdout=out, stderr=err,
                                            cwd=cwd or side.path, env=plain_environment() | (env or {}),
                                            start_new_session=True)
        self.pid = self.process.pid
        self.watch = Watch(self.pid)
        self.ended = None

    def signal(self, how):
        self.process.send_signal(how)

    def text(self, which):
        with open(self.files[which], encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait(self, seconds, progress=lambda: None):
        """Its end, within that many seconds of the last change of progress(); a program that does not come to its end is shown, killed
        and counted as a failure."""
        if self.ended:
            return self.ended
        handle = os.pidfd_open(self.pid)
        with contextlib.ExitStack() as last:
            last.callback(os.close, handle)
            state = progress()
            while not select.select([handle], [], [], seconds)[0]:
                if state != (state := progress()):
                    continue
                doing = describe(self.pid)
                self.kill()
                raise Trouble(f"{self.name} ({self.side.name}) did not end within {seconds:.0f} s:\n{doing}\n"
                              f"{self.text(0)[-1500:]}\n{self.text(1)[-3000:]}")
        self.watch.stop()
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.ended = Ended(self.process.returncode, self.text(0), self.text(1), usage, self.watch)
        self.side.ended.append(self.ended)
        return self.ended

    def kill(self):
        """The program and what it started."""
        if self.ended or self.process.returncode is not None:
            return
        self.watch.stop()
        for pid in family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Side(Place):
    """prefix: what goes before each command under test; {stats} in it is the file that Weft appends its tables to."""

    def __init__(self, name, prefix, patience=1):
        super().__init__()
        self.name, self.patience, self.stats = name, patience, self.file("weft-stats", "")
        os.chmod(self.stats, 0o666)     # some programs have given up being root by then
        self.prefix = [word.replace("{stats}", self.stats) for word in prefix]
        self.ended, self.programs = [], []
        self.machine = Place()     # for the servers and preparations that are not under test

    def __exit__(self, *args):
        for program in self.programs:
            program.kill()
        self.machine.__exit__(*args)
        super().__exit__(*args)

    def said_by_weft(self):
        with open(self.stats, encoding="utf-8", errors="replace") as file:
            return green.stats(file.read())

    def begin(self, command, user=None, env=None, cwd=None, stdin=subprocess.DEVNULL):
        program = Program(self, command, user, env, cwd, stdin, len(self.programs))
        self.programs.append(program)
        return program

    def run(self, command, seconds=60, status=0, progress=lambda: None, **how):
        """The program under test from beginning to end. Another status than this one is a failure; None: any will do."""
        ended = self.begin(command, **how).wait(seconds * self.patience, progress)
        if status is not None and ended.status != status:
            raise Trouble(f"{os.path.basename(command[0])} ({self.name}): {ended}")
        return ended

    @contextlib.contextmanager
    def serve(self, command_for, how=signal.SIGTERM, ready=accepts, seconds=40, end_seconds=20, **rest):
        """The server under test, command_for(port), on a free port while the block runs; then ended by that signal."""
        for _ in range(5):
            port = self.free_port()
            program = self.begin(command_for(port), **rest)
            program.port = port
            if self.wait_ready(program, lambda: ready(program.port), seconds * self.patience):
                break
        else:
            raise Trouble(f"{program.name} ({self.name}) did not start: {program.ended}")
        yield program
        if program.process.returncode is None and how is not None:
            program.signal(how)
        program.wait(end_seconds * self.patience)

    def wait_ready(self, program, ready, seconds):
        handle = os.pidfd_open(program.pid)
        try:
            for _ in range(int(seconds * 50)):
                if select.select([handle], [], [], 0.02)[0]:
                    program.wait(1)
                    return False
                if ready():
                    return True
        finally:
            os.close(handle)
        doing = describe(program.pid)
        program.kill()
        raise Trouble(f"{program.name} ({self.name}) was not ready after {seconds:.0f} s:\n{doing}\n{program.text(1)[-3000:]}")
