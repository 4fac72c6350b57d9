# A strict reader of trace-event JSON: what it lets pass, Perfetto and chrome://tracing show whole. Raises Wrong with the reason.
#
# Looked at: the shape of each event (phases and their fields), slices of a row that neither overlap nor go back, rows with names, arrows
# whose two ends lie in slices of their rows and which come one to an id, offloaded calls with a begin and an end.
import bisect
import json
from collections import defaultdict

NUMBER = (int, float)
FIELDS = {"X": {"dur"}, "s": {"id"}, "f": {"id", "bp"}, "b": {"id"}, "e": {"id"}, "i": {"s"}, "M": set()}
SLACK = 0.0015  # microseconds: each number is rounded to nanoseconds by itself


class Wrong(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Wrong(what)


class Trace:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.data = json.load(f)
        self.events = self.data["traceEvents"]
        self.other = self.data.get("otherData", {})
        self.names, self.slices, self.arrows, self.calls, self.marks = {}, defaultdict(list), [], [], []
        self.read()

    def read(self):
        ends, begun, sort = {}, {}, {}
        for e in self.events:
            phase = e.get("ph")
            require(phase in FIELDS, f"an event of phase {phase!r}: {e}")
            require(isinstance(e.get("pid"), int) and isinstance(e.get("tid"), int), f"no pid, tid: {e}")
            require(isinstance(e.get("name"), str), f"no name: {e}")
            require(FIELDS[phase] <= e.keys(), f"a field is missing: {e}")
            row = e["pid"], e["tid"]
            if phase == "M":
                if e["name"] == "thread_name":
                    require(row not in self.names, f"a row with two names: {e}")
                    self.names[row] = e["args"]["name"]
                elif e["name"] == "thread_sort_index":
                    require(row not in sort, f"a row sorted twice: {e}")
                    sort[row] = e["args"]["sort_index"]
                else:
                    require(e["name"] == "process_name", f"unknown metadata: {e}")
                continue
            require(isinstance(e.get("ts"), NUMBER) and e["ts"] >= 0, f"no time: {e}")
            require(isinstance(e.get("cat"), str), f"no category: {e}")
            if phase == "X":
                require(isinstance(e["dur"], NUMBER) and e["dur"] >= 0, f"no duration: {e}")
                self.slices[row].append(e)
            elif phase in "sf":
                require((phase, e["id"]) not in ends, f"an arrow with two ends of a kind: {e}")
                require(phase == "s" or e["bp"] == "e", f"an arrow that ends nowhere: {e}")
                ends[phase, e["id"]] = e
            elif phase == "b":
                require(e["id"] not in begun, f"a call begun twice: {e}")
                begun[e["id"]] = e
            elif phase == "e":
                b = begun.pop(e["id"], None)
                require(b is not None and b["ts"] <= e["ts"] + SLACK and b["cat"] == e["cat"] and b["name"] == e["name"], f"not begun: {e}")
                self.calls.append((b, e))
            else:
                require(e["s"] in ("t", "p", "g"), f"a mark of what scope? {e}")
                self.marks.append(e)
        require(not begun, f"calls without an end: {begun}")
        self.check_slices()
        for (phase, number), e in ends.items():
            if phase == "s":
                require(("f", number) in ends, f"an arrow without an end: {e}")
                self.check_arrow(e, ends["f", number])
            else:
                require(("s", number) in ends, f"an arrow without a beginning: {e}")
        for e in self.marks:
            require((e["pid"], e["tid"]) in self.names, f"a mark on a row without a name: {e}")

    def check_slices(self):
        for row, slices in self.slices.items():
            require(row in self.names, f"a row without a name: {row}")
            slices.sort(key=lambda e: (e["ts"], e["ts"] + e["dur"]))
            for before, after in zip(slices, slices[1:]):
                require(before["ts"] + before["dur"] <= after["ts"] + SLACK, f"slices overlap: {before} {after}")

    # The categories of the slices that are open at that time: more than one where one ends and the next begins.
    def open_at(self, row, ts):
        slices = self.slices.get(row, [])
        i = bisect.bisect_right(slices, ts + SLACK, key=lambda e: e["ts"]) - 1
        found = []
        while i >= 0 and slices[i]["ts"] + slices[i]["dur"] + SLACK >= ts:
            found.append(slices[i]["cat"])
            i -= 1
        return found

    def check_arrow(self, begin, end):
        require(begin["ts"] <= end["ts"] + SLACK, f"an arrow back in time: {begin} {end}")
        require(begin["name"] == end["name"] and begin["cat"] == end["cat"], f"two ends of different names: {begin} {end}")
        source, target = (begin["pid"], begin["tid"]), (end["pid"], end["tid"])
        came_from = self.open_at(source, begin["ts"])
        require("running" in came_from or "deliver" in came_from, f"an arrow from nothing that runs: {begin}")
        require("running" in self.open_at(target, end["ts"]), f"an arrow to nothing that runs: {end}")
        self.arrows.append((begin["name"], self.names[source], self.names[target]))

    # What is on the row of that name: (name, microseconds) of each slice, in order, as far as `which` wants it.
    def row(self, name, which=lambda e: True):
        rows = [r for r, n in self.names.items() if n == name]
        require(len(rows) == 1, f"{len(rows)} rows are called {name}: {sorted(self.names.values())}")
        return [e for e in self.slices[rows[0]] if which(e)]


if __name__ == "__main__":
    import sys

    for path in sys.argv[1:]:
        t = Trace(path)
        print(f"{path}: {len(t.events)} events, {len(t.names)} rows, {len(t.arrows)} arrows, {len(t.calls)} calls, {t.other}")
