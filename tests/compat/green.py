# What Weft said of a run: reads the table of `weft run --stats` out of standard error. Several processes of one run print one
# table each; counts are summed.
import re

# Rows of the table (src/green prints them): name as printed, name here.
ROWS = {"green threads created": "created", "most.at.once": "most", "carriers": "carriers", "switches": "switches",
        "preemptions": "preemptions", "offloads": "offloads"}


def stats(text):
    """The sums of all tables in the text; an empty dictionary when there is none."""
    found = {}
    for label, name in ROWS.items():
        counts = [int(n.replace(",", "")) for n in re.findall(rf"^.*\b{label}\b[^\d\n]*([\d,]+)", text, re.M)]
        if counts:
            found[name] = max(counts) if name in ("most", "carriers") else sum(counts)
    return found
