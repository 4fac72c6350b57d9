"""Lines of code of each program under examples/styles in each of its styles: what is left without comments and empty lines."""
import collections
import os
import re

from . import table

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "examples", "styles")
STYLES = ("greenlet", "fiber", "task")


def code_lines(path):
    with open(path, encoding="utf-8") as file:
        return sum(1 for line in file if line.strip() and not line.lstrip().startswith("//"))


def count():
    """{program: {style: lines}}."""
    lines = collections.defaultdict(dict)
    for name in sorted(os.listdir(EXAMPLES)):
        if found := re.fullmatch(r"(\d\d_.*)_(fiber|task|greenlet)\.cpp", name):
            lines[found[1]][found[2]] = code_lines(os.path.join(EXAMPLES, name))
    return lines


def show(figures):
    """Prints the table; the sums of the programs that are there in fiber and task style go into the figures."""
    lines = count()
    print("\n  lines of code of the programs in examples/styles")
    rows = [[program.replace("_", " "), *(of.get(style, "") for style in STYLES),
             f"{of['task'] / of['fiber']:.2f}"] for program, of in lines.items()]
    sums = {style: sum(of[style] for of in lines.values()) for style in ("fiber", "task")}
    rows.append(["all", "", sums["fiber"], sums["task"], f"{sums['task'] / sums['fiber']:.2f}"])
    table.show(["program", *STYLES, "task / fiber"], rows)
    for style, of in sums.items():
        figures[style, "lines"].append(of)
