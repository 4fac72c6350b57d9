# Plays a scenario natively and under Weft, one after the other in one run, and says whether they did the same.
# A run under Weft counts only when it was green: --strict refuses to fall back, and a threaded program must have made green threads.
import json
import re
import time
import traceback

from side import Side, Trouble


class Verdict:
    """How a scenario went: passed or why not, and the figures of both sides."""

    def __init__(self, scenario):
        self.scenario, self.trouble, self.figures, self.seconds, self.evidence = scenario, None, {}, {}, {}
        self.killed = False     # whether a signal ended a program under test, on the side that was played last

    @property
    def passed(self):
        return self.trouble is None

    def record(self):
        return {"name": self.scenario.name, "passed": self.passed, "trouble": self.trouble, "figures": self.figures,
                "green": self.evidence, "seconds": self.seconds}


def figures(side):
    """OS threads of the largest process, memory with the kernel's part in KB, CPU seconds: of all programs under test."""
    cpu = sum(e.usage.ru_utime + e.usage.ru_stime for e in side.ended)
    threads, kb = (max((getattr(e.watch, name) for e in side.ended), default=0) for name in ("threads", "kb"))
    return {"cpu": round(cpu, 3), "threads": threads, "kb": kb}


def play(scenario, name, prefix, patience, verdict):
    started = time.monotonic()
    with Side(name, prefix, patience) as side:
        try:
            return json.loads(json.dumps(scenario.play(side)))
        finally:
            verdict.evidence = side.said_by_weft()
            verdict.figures[name] = figures(side)
            verdict.killed = any(e.status < 0 for e in side.ended)
            verdict.seconds[name] = round(time.monotonic() - started, 1)


def differences(native, weft, where=""):
    """Where two values that JSON can hold differ, in words."""
    if isinstance(native, dict) and isinstance(weft, dict):
        for key in sorted(native.keys() | weft.keys(), key=str):
            yield from differences(native.get(key, "(nothing)"), weft.get(key, "(nothing)"), f"{where}/{key}")
    elif native != weft:
        yield f"{where}: natively {shown(native)}, under Weft {shown(weft)}"


def shown(value):
    text = json.dumps(value)
    return text if len(text) <= 300 else text[:300] + "..."


def compare(scenario, weft_prefix, patience):
    """weft_prefix empty: natively against natively, which tells a scenario's own luck from a difference."""
    verdict = Verdict(scenario)
    try:
        native = play(scenario, "native", [], 1, verdict)
    except (Trouble, OSError, ValueError) as trouble:
        verdict.trouble = f"natively: {short(trouble)}"
        return verdict
    try:
        weft = play(scenario, "weft", weft_prefix, patience, verdict)
    except Exception as trouble:     # whatever a scenario's own code meets when the program under test misbehaves
        verdict.trouble = f"under Weft: {short(trouble)}"
        return verdict
    found = list(differences(native, weft))
    if found:
        verdict.trouble = "; ".join(found[:8]) + (f"; and {len(found) - 8} more" if len(found) > 8 else "")
    if weft_prefix and verdict.passed:
        verdict.trouble = not_green(scenario, verdict)
    return verdict


def not_green(scenario, verdict):
    """Why the run does not count as green, or None."""
    if scenario.kind != "threads":
        return None
    if verdict.evidence.get("created", 0) == 0 and ended_by_a_signal(verdict):
        return None
    if verdict.evidence.get("created", 0) == 0:
        return "not green: no green thread was made, or Weft printed no table"
    if verdict.evidence.get("carriers", 1) != 1:
        return f"not green: {verdict.evidence['carriers']} carriers"
    return None


def ended_by_a_signal(verdict):
    """A program that a signal ended wrote no table. Its OS threads tell as well: as many as natively, or next to none."""
    native, weft = (verdict.figures[side]["threads"] for side in ("native", "weft"))
    return verdict.killed and native >= 10 and 0 < weft <= native // 2


def short(trouble):
    text = str(trouble) if isinstance(trouble, Trouble) else "".join(traceback.format_exception_only(trouble)).strip()
    return re.sub(r"/tmp/weft-library-\w+", "DIR", text)
