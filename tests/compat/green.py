# What Weft said of a run: reads the tables of `weft run --stats=FILE`. Several processes of one run write one each; counts
# are summed.
import re

# Rows of a table (src/green/stats.cpp): as printed, and their names here.
ROWS = {"green threads created": "created", "most alive at once": "most", "carriers": "carriers", "switches": "switches",
        "preemptions": "preemptions", "calls offloaded": "offloads"}


def stats(text):
    """The sums of all tables in the text; an empty dictionary when there is none."""
    found = {}
    for label, name in ROWS.items():
        counts = [int(n.replace(",", "")) for n in re.findall(rf"^.*\b{label}\b[^\d\n]*([\d,]+)", text, re.M)]
        if counts:
            found[name] = max(counts) if name in ("most", "carriers") else sum(counts)
    return found
