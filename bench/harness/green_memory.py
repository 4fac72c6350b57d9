"""Sleeping pthreads: memory each, the kernel's side and page tables included, and how many there can be."""
import os

from . import green_run, memory, procs, table

COUNT, MANY = 10_000, 100_000
# name, options of `weft run` or None, target in bytes each
WAYS = [("native", None, None), ("weft run", (), 13_000), ("weft run --stack-size 256k", ("--stack-size", "256k"), 9_300)]
START_SECONDS = 120


class Sleepers(procs.Child):
    """COUNT threads asleep, until stop()."""

    def __init__(self, build, count, options):
        words = [os.path.join(build, "sleepers"), count]
        super().__init__(procs.SERVER_CORE, words if options is None else green_run.command(build, words, "--stats", *options))
        self.green = options is not None
        try:
            self.line(procs.START_SECONDS)
            growth = memory.Growth(self.process.pid)
            self.go_on()
            made, _, self.why = self.line(START_SECONDS).partition(" ")
            self.made = int(made)
            self.bytes_each = growth.kb() * 1024 / max(self.made, 1)
            self.threads = memory.threads(self.process.pid)
        except procs.Failed:
            self.kill()
            raise

    def go_on(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def stop(self):
        """With a look at the statistics of a green one."""
        try:
            self.go_on()
            _, err = self.process.communicate(timeout=START_SECONDS)
            if self.green:
                green_run.check_threads(self.threads)
                green_run.check_stats(err.decode(errors="replace"), self.made)
        finally:
            self.kill()


def once(build, count, options):
    sleepers = Sleepers(build, count, options)
    sleepers.stop()
    return sleepers


def measure(build, quick, verdicts):
    rounds = 1 if quick else 3
    print(f"\n{COUNT:,} sleeping pthreads, default stacks: growth of the process, the kernel's stacks, page tables and slabs "
          f"(medians of {rounds})")
    rows = []
    for name, options, target in WAYS:
        what = f"memory of a sleeping pthread, {name} (bytes)"
        try:
            found = [once(build, COUNT, options) for _ in range(rounds)]
            if any(one.made < COUNT for one in found):
                raise procs.Failed(f"only {found[0].made} threads: {found[0].why.strip()}")
        except (procs.Failed, OSError) as error:
            verdicts.failed(what, error)
            continue
        each = [one.bytes_each for one in found]
        rows.append([name, f"{table.median(each):,.0f}", f"{min(each):,.0f}-{max(each):,.0f}", f"{found[0].threads:,}"])
        if target:
            verdicts.at_most(what, table.median(each), target, "{:.0f}")
    table.show(["pthreads", "bytes each", "min-max", "OS threads"], rows)
    measure_many(build, quick, verdicts)


def measure_many(build, quick, verdicts):
    print(f"\n{MANY:,} pthreads alive at once")
    if not quick:
        try:
            native = once(build, MANY, None)
            print(f"  native: {native.made:,}" + (f", then {native.why.strip()}" if native.why.strip() else ""))
        except (procs.Failed, OSError) as error:
            print(f"  native: {error}")
    try:
        green = once(build, MANY, ())
        print(f"  weft run: {green.made:,} on {green.threads} OS threads, {green.bytes_each:,.0f} bytes each")
        verdicts.at_least("pthreads alive at once, weft run", green.made, MANY, "{:,.0f}")
    except (procs.Failed, OSError) as error:
        verdicts.failed("pthreads alive at once, weft run", error)
