# Where a library test's server lives: a temporary directory, free loopback ports, and processes that end with the test.
# Relies on util-linux (setpriv) and python3. A server dies with this process (pdeathsig), however this process ends; the directory
# goes with a normal end, a failure or SIGTERM (meson's timeout).
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


class Trouble(Exception):
    """The server could not be brought up: the test has failed."""


class Place:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="weft-library-")
        os.chmod(self.path, 0o755)
        self.processes = []
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process, how in reversed(self.processes):
            process.send_signal(how)
        for process, _how in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name, text=None):
        path = os.path.join(self.path, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return path

    def folder(self, name, user=None):
        path = self.file(name)
        os.mkdir(path, 0o700)
        if user and os.getuid() == 0:
            entry = pwd.getpwnam(user)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        return path

    def free_port(self, address="127.0.0.1"):
        """Free a moment ago: who starts a server on it tries another when it was taken meanwhile."""
        with socket.socket() as s:
            s.bind((address, 0))
            return s.getsockname()[1]

    def as_user(self, command, user):
        """The command under that user when we are root (postgres and mariadbd refuse root), ended with this process."""
        prefix = ["setpriv", "--pdeathsig", "KILL"]
        if user and os.getuid() == 0:
            prefix += ["--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups"]
        return prefix + ["--"] + command

    def run(self, command, user=None):
        done = subprocess.run(self.as_user(command, user), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, cwd=self.path, timeout=60, env=plain_environment())
        if done.returncode != 0:
            raise Trouble(f"{command[0]} ended with status {done.returncode}:\n{done.stdout}")
        return done.stdout

    def start(self, command, ready, user=None, how=signal.SIGTERM, seconds=40):
        """Starts a server and waits until ready() is true. False when it ended before: perhaps its port was taken."""
        log = self.file(os.path.basename(command[0]) + ".log")
        with open(log, "ab") as out:
            process = subprocess.Popen(self.as_user(command, user), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       cwd=self.path, env=plain_environment())
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise Trouble(f"{command[0]} was not ready after {seconds} s:\n{self.tail(log)}")
            time.sleep(0.01)
        self.processes.append((process, how))
        return True

    def start_on_port(self, command_for, user=None, how=signal.SIGTERM, ready=None):
        """command_for(port) on the first free port that it gets; the port. Ready: it accepts, unless ready(port) asks for more."""
        ready = ready or accepts
        for _ in range(5):
            port = self.free_port()
            command = command_for(port)
            if self.start(command, lambda: ready(port), user, how):
                return port
        raise Trouble(f"{command[0]} did not start:\n{self.tail(self.file(os.path.basename(command[0]) + '.log'))}")

    def private_name_server(self):
        """Gives this process and its children a resolv.conf of their own (a mount namespace), which tests may write to. Returns what
        names the server in it: an address, nobody's yet, with port 53 to itself; empty where a container does not allow it."""
        libc = ctypes.CDLL(None, use_errno=True)
        clone_newns, ms_bind, ms_rec, ms_private = 0x20000, 0x1000, 0x4000, 0x40000
        address = f"127.83.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
        conf = self.file("resolv.conf", f"nameserver {address}\noptions timeout:10\n")
        if (libc.unshare(clone_newns) != 0 or libc.mount(None, b"/", None, ms_rec | ms_private, None) != 0 or
                libc.mount(conf.encode(), b"/etc/resolv.conf", None, ms_bind, None) != 0):
            print("no private resolv.conf here:", os.strerror(ctypes.get_errno()), flush=True)
            return {}
        return {"WEFT_TEST_NAME_SERVER": address, "WEFT_TEST_RESOLV_CONF": conf}

    def tail(self, path):
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]


def accepts(port, address="127.0.0.1"):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


def plain_environment():
    """What a server sees: nothing of Weft, no preload."""
    kept = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("WEFT_")}
    return kept | {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "/usr/bin") + ":/usr/sbin:/sbin"}
