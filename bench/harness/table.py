"""Medians, ratios and the printed table. A target that is missed is printed as MISS, never left out."""
import statistics


def median(values):
    return statistics.median(values)


def paired_ratio(values, reference):
    """Median of the ratios round by round: a machine that slows down for a while slows both."""
    return median([a / b for a, b in zip(values, reference)])


class Verdicts:
    """Collects what was compared with a target, for the last line and the exit status."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, measured, target, form="{:.2f}"):
        ok = measured <= target
        self.rows.append((what, form.format(measured), "<= " + form.format(target), ok))
        return ok

    def at_least(self, what, measured, target, form="{:.2f}"):
        ok = measured >= target
        self.rows.append((what, form.format(measured), ">= " + form.format(target), ok))
        return ok

    def failed(self, what, why):
        print(f"  FAILED: {what}: {why}")
        self.rows.append((what, "failed", "", False))

    def show(self):
        print("\nTargets")
        show(["what", "measured", "target", ""],
             [[what, measured, target, "ok" if ok else "MISS"] for what, measured, target, ok in self.rows])

    def missed(self):
        return sum(not ok for *_, ok in self.rows)


def show(header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * w for w in widths], *rows]:
        cells = [str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip())
