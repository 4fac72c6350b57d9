# Plays one module of CPython's regression tests: cpython_runner.py MODULE FILE [WORD OF TESTS LEFT OUT]...
# Appends to FILE one line as a test begins and one as it ends. Resources that need a network or minutes are not asked for.
import json
import os
import sys
import unittest

import test.support

module, path, left_out = sys.argv[1], sys.argv[2], sys.argv[3:]
test.support.use_resources = ["cpu", "subprocess", "decimal"]
if module == "test_socketserver":     # asks for it, and stays on loopback
    test.support.use_resources.append("network")
test.support.verbose = 0
test.support.SHORT_TIMEOUT, test.support.LOOPBACK_TIMEOUT = 30.0, 10.0
out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def write(kind, name, outcome=None):
    os.write(out, (json.dumps([kind, name, outcome]) + "\n").encode())


class Result(unittest.TextTestResult):
    def startTest(self, case):
        self.seen = "ok"
        super().startTest(case)
        write("begin", case.id())

    def stopTest(self, case):
        write("end", case.id(), self.seen)
        super().stopTest(case)

    def note(self, case, outcome):
        self.seen = outcome
        if not hasattr(case, "_testMethodName"):     # setUpClass or setUpModule
            write("end", str(case), outcome)

    def addError(self, case, error):
        super().addError(case, error)
        self.note(case, "error")

    def addFailure(self, case, error):
        super().addFailure(case, error)
        self.note(case, "FAIL")

    def addSkip(self, case, reason):
        super().addSkip(case, reason)
        self.note(case, "skipped")

    def addSubTest(self, case, part, error):
        super().addSubTest(case, part, error)
        if error is not None:
            self.seen = "FAIL"

    def addExpectedFailure(self, case, error):
        super().addExpectedFailure(case, error)
        self.note(case, "expected failure")

    def addUnexpectedSuccess(self, case):
        super().addUnexpectedSuccess(case)
        self.note(case, "unexpected success")


def cases(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from cases(one)
        else:
            yield one


tests = list(cases(unittest.defaultTestLoader.loadTestsFromName("test." + module)))
kept = unittest.TestSuite(one for one in tests if not any(word in one.id() for word in left_out))
unittest.TextTestRunner(stream=sys.stderr, resultclass=Result, verbosity=1).run(kept)
