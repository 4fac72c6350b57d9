# The list of scenarios, and how one is written: a function that plays it on a side and returns what has to be the same on both.
# It says nothing about Weft: the same function plays natively. Scenarios are in programs_*.py and cpython.py.
import shutil

from side import Trouble

SCENARIOS = {}


class Scenario:
    def __init__(self, play, name, does, kind, quick, needs, packages, seconds, group):
        self.play, self.name, self.does, self.kind, self.quick, self.group = play, name, does, kind, quick, group
        self.needs, self.packages, self.seconds = needs, packages, seconds

    def missing(self):
        return [program for program in self.needs if not find(program)]


def find(program):
    return shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin:/usr/games")


def need(program):
    found = find(program)
    if not found:
        raise Trouble(f"{program} is not installed")
    return found


def scenario(name, does, needs=(), packages=(), kind="threads", quick=False, seconds=90, group="others"):
    """kind: threads (a run under Weft that made no green thread has failed), forks or single (equal behaviour is all).
    needs: programs looked for; packages: Debian's that hold them. seconds: how long it may take natively."""
    def register(play):
        SCENARIOS[name] = Scenario(play, name, does, kind, quick, needs, packages, seconds, group)
        return play
    return register


def expect(true, what):
    """A scenario's own check of a result: fails on the side where it does not hold."""
    if not true:
        raise Trouble(what)
