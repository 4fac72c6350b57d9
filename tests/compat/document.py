# Writes the tables of docs/compatibility.md between its two marks; what stands around them is written by hand and stays.
# A run of some scenarios only replaces their rows. Must never make a row pass that failed.
import os
import platform

import scenario

BEGIN, END = "<!-- tables: tests/compat/run --document -->", "<!-- end of tables -->"
HEADINGS = {"servers": "Threaded servers", "clients": "Threaded clients", "work": "Threads that compute",
            "languages": "Languages with threads",
            "processes": "Fork-based and single-threaded programs", "stress-ng": "stress-ng's verifiers",
            "cpython": "CPython's own regression tests"}
HEAD = "| Program | What it did | Same? | Green threads | OS threads | Memory, MB | CPU, s |\n|---|---|---|---|---|---|---|"


def pair(verdict, key, form):
    """native / Weft. A side that was over before a sample was taken has no figure."""
    values = [verdict.figures.get(side, {}).get(key) or 0 for side in ("native", "weft")]
    return " / ".join(form(value) if value else "-" for value in values)


def row(verdict):
    said = "yes" if verdict.passed else "**no**: " + verdict.trouble.replace("|", "\\|").replace("\n", " ")[:400]
    tests = f", {verdict.count} tests" if getattr(verdict, "count", None) else ""
    green = verdict.evidence.get("created", "-")
    return (f"| {verdict.scenario.name} | {verdict.scenario.does}{tests} | {said} | {green} | {pair(verdict, 'threads', str)} | "
            f"{pair(verdict, 'kb', lambda kb: f'{kb / 1024:.1f}')} | {pair(verdict, 'cpu', lambda s: f'{s:.2f}')} |")


def write(path, verdicts):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    rows = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("| ")}
    rows |= {verdict.scenario.name: row(verdict) for verdict in verdicts}
    tables = []
    for group, heading in HEADINGS.items():
        lines = [rows[one.name] for one in scenario.SCENARIOS.values() if one.group == group and one.name in rows]
        if lines:
            tables.append(f"### {heading}\n\n{HEAD}\n" + "\n".join(lines) + "\n")
    where = f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Debian {debian()}. Native / under Weft.\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + "\n" + where + "\n" + "\n".join(tables) + END + after)


def debian():
    try:
        with open("/etc/debian_version", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "(none)"
