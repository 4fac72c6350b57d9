# Scenarios: CPython's own regression tests, one scenario a module: each test must come out as it does natively.
# programs/cpython_runner.py plays a module and writes one line as each test begins and one as it ends, so that a test that hangs or
# kills the interpreter is named. It is then left out and the rest is played again, for as many as LEFT_OUT tests.
import json
import os

from aids import HERE, PYTHON
from scenario import Trouble, expect, scenario

LEFT_OUT = 6
ONE_TEST = 40     # seconds that one test may take natively
# Words of the tests that are left out on both sides: vsock waits for a host that nobody is; pools of processes take minutes.
NEVER = ["ThreadedVSOCKSocketStreamTest", "test_concurrent_futures.Process", "test_crash_big_data", "ProcessPoolDeadlock"]
MODULES = """threading thread threadedtempfile threading_local threadsignals queue sched concurrent_futures asyncio socket socketserver ssl
    select selectors poll epoll signal subprocess fork1 wait3 wait4 popen posix os time timeout eintr httplib httpservers
    urllib2_localnet xmlrpc docxmlrpc ftplib smtplib poplib imaplib telnetlib asyncore asynchat wsgiref logging faulthandler io fileio
    tempfile mmap pty openpty fcntl ioctl contextlib context asyncgen coroutines gc weakref functools sys_settrace importlib.test_locks
    importlib.test_threaded_import interpreters _xxsubinterpreters multiprocessing_fork multiprocessing_spawn multiprocessing_forkserver
    syslog resource atexit shutil pathlib zlib bz2 lzma hashlib ctypes decimal dbm sqlite3""".split()
# Modules in which threads are sure to be started.
THREADED = set("""threading thread threadedtempfile threading_local threadsignals queue concurrent_futures asyncio socket socketserver ssl
    httplib httpservers urllib2_localnet xmlrpc ftplib smtplib poplib imaplib telnetlib importlib.test_locks
    importlib.test_threaded_import logging""".split())


def outcomes(path):
    """{test: outcome} of what was written, and the test that began and never ended, or None."""
    table, begun = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                kind, test, outcome = json.loads(line)
            except ValueError:     # the interpreter was killed while it wrote
                continue
            if kind == "begin":
                begun = test
            else:
                table[test] = outcome
                begun = None if begun == test else begun
    return table, begun


def play_module(side, module):
    table, lost = {}, list(NEVER)
    for attempt in range(LEFT_OUT + 1):
        out = side.file(f"outcomes{attempt}", "")
        work = side.folder(f"work{attempt}")
        trouble = status = None
        try:
            status = side.run([PYTHON, "-B", os.path.join(HERE, "programs", "cpython_runner.py"), module, out, *lost],
                              seconds=ONE_TEST,
                              status=None, progress=lambda: os.path.getsize(out), cwd=work, env={"TMPDIR": work}).status
        except Trouble as late:
            trouble = late
        found, begun = outcomes(out)
        table |= found
        if status == 0 and begun is None:
            return table
        if begun is None:     # it ended between tests: nothing to leave out
            table["(the interpreter)"] = f"status {status}" if trouble is None else "hangs"
            print(trouble or side.ended[-1].err[-3000:], flush=True)
            return table
        table[begun] = "hangs" if trouble else f"ends the interpreter with status {status}"
        print(f"  {side.name}: {begun} {table[begun]}\n{trouble or side.ended[-1].err[-3000:]}", flush=True)
        lost.append(begun)
    return table


def register(module):
    @scenario(f"cpython {module}", "each test of CPython's module", [PYTHON], ["libpython3.11-testsuite"], group="cpython",
              kind="threads" if module in THREADED else "single")
    def play(side):
        table = play_module(side, "test_" + module)
        expect(any(outcome == "ok" for outcome in table.values()), f"no test passed: {table}")
        return table
    return play


for name in MODULES:
    register(name)
