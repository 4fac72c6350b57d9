# Talks to the servers of this folder (23, 24, 25) as strangers do: drive.py NAME PROGRAM. Clients of two kinds of manners: those that
# say good-bye and those that vanish (a reset) while they are written to. In the end Ctrl-C, which the program must die of, and of nothing
# else before.
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

name, program = sys.argv[1:3]


class served:
    """The program, serving at a port that it has chosen, while the block runs."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([program, "0", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stderr.readline().rsplit(" ", 1)[1])
        self.said = []
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr))
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        early = self.process.poll()
        if early is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.said.append("it did not end by itself\n")
        self.reader.join()
        print("".join(self.said), end="")
        if early is not None or self.process.wait() != -signal.SIGINT:
            sys.exit(f"it ended with status {self.process.wait()}" + (" before anybody asked it to" if early is not None else ""))

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return s


def vanish(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def chat():
    class member:
        def __init__(self, server, who):
            self.socket = server.connect()
            self.say(who)
            self.lines = self.socket.makefile("r")
            self.expect("* welcome")

        def say(self, text):
            self.socket.sendall(text.encode() + b"\n")

        def expect(self, text):
            heard = self.lines.readline()
            assert heard == text + "\n", f"heard {heard!r}, not {text!r}"

        def hear_until(self, text):
            for line in self.lines:
                if line == text + "\n":
                    return
            raise AssertionError(f"nobody said {text!r}")

        def leave(self):
            self.lines.close()
            self.socket.close()

    with served() as server:
        ann, bob = member(server, "ann"), member(server, "bob")
        ann.expect("* bob is here")
        bob.socket.sendall(b"one\r\ntw")
        ann.expect("bob: one")
        bob.say("o")
        ann.expect("bob: two")
        # Two of one name: both hear, and when one leaves the other still does.
        other = member(server, "ann")
        ann.expect("* ann is here")
        bob.expect("* ann is here")
        bob.say("both")
        ann.expect("bob: both")
        other.expect("bob: both")
        other.leave()
        ann.expect("* ann has left")
        bob.expect("* ann has left")
        # Some vanish while they are written to; one says a line that is too long for any server.
        for turn in range(20):
            guests = [member(server, f"guest {i}") for i in range(4)]
            bob.socket.sendall(b"noise\n" * 10)
            for g in guests:
                vanish(g.socket)
            bob.socket.sendall(b"noise\n" * 10)
            bob.say(f"turn {turn}")
            ann.hear_until(f"bob: turn {turn}")
        loud = member(server, "loud")
        try:
            loud.socket.sendall(b"x" * 3_000_000)
        except OSError:    # it was shown the door
            pass
        loud.leave()
        ann.hear_until("* loud has left")
        # One who never says a name, one who says it and no more.
        server.connect().close()
        half = member(server, "half")
        half.socket.shutdown(socket.SHUT_WR)
        ann.hear_until("* half has left")
        ann.leave()
        bob.leave()


def proxy():
    target = socket.create_server(("127.0.0.1", 0), backlog=100)

    def echo(s):
        try:
            while part := s.recv(65536):
                s.sendall(part)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        s.close()

    def accept():
        while True:
            try:
                threading.Thread(target=echo, args=(target.accept()[0],), daemon=True).start()
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()

    def everything(s):
        return b"".join(iter(lambda: s.recv(1 << 20), b""))

    with served("127.0.0.1", target.getsockname()[1]) as server:
        much = os.urandom(1 << 16) * 128
        s = server.connect()
        sending = threading.Thread(target=lambda: (s.sendall(much), s.shutdown(socket.SHUT_WR)))
        sending.start()
        assert everything(s) == much
        sending.join()
        # Some vanish with everything under way; one sends and never reads. The others are served.
        for _ in range(20):
            gone = server.connect()
            gone.sendall(b"x" * 100_000)
            vanish(gone)
        slow = server.connect()
        slow.setblocking(False)
        try:
            while True:
                slow.send(b"x" * 65536)
        except BlockingIOError:
            pass
        many = [server.connect() for _ in range(50)]
        for i, one in enumerate(many):
            one.sendall(b"%d" % i)
            one.shutdown(socket.SHUT_WR)
        assert [everything(one) for one in many] == [b"%d" % i for i in range(50)]
    target.close()


def multiprocess():
    workers = set()
    with served() as server:
        for i in range(50):
            s = server.connect()
            s.sendall(b"hello %d\r\n" % i)
            worker, says, text = s.makefile("r").readline().split(" ", 2)
            assert (says, text) == ("says", f"hello {i}\n")
            workers.add(int(worker))
            if i % 10 == 0:
                vanish(server.connect())
        silent = server.connect()
    assert workers
    for _ in range(300):    # they go with their parent
        workers = {w for w in workers if os.path.exists(f"/proc/{w}")}
        if not workers:
            return
        time.sleep(0.1)
    sys.exit(f"workers live on: {workers}")


{"23": multiprocess, "24": chat, "25": proxy}[name[:2]]()
