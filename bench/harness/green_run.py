"""Programs that know nothing of Weft, started by `weft run`; what ran natively after all is a failure, not a figure."""
import os
import re

from . import procs

# One carrier, and those of Weft that wait in calls without readiness.
THREADS_AT_MOST = 8


def command(build, words, *options):
    """`build`: the folder of the benchmarks' binaries."""
    weft = os.path.join(os.path.dirname(os.path.abspath(build)), "shim", "weft")
    return [weft, "run", "--strict", *options, "--", *words]


def check_threads(count):
    """From outside, while many threads of the program live."""
    if count > THREADS_AT_MOST:
        raise procs.Failed(f"not green: {count} OS threads")


def check_stats(text, least=1):
    """By what `weft run --stats` printed."""
    found = re.search(r"green threads created +([\d,]+)", text)
    made = int(found.group(1).replace(",", "")) if found else 0
    if made < least:
        raise procs.Failed(f"not green: {made} green threads" if found else f"not green: no statistics, but {text[-200:]!r}")


def run(build, core, words, seconds, options=(), settings=None, least=1):
    """Runs a program green to its end; its standard output."""
    out, err = procs.run(core, command(build, words, "--stats", *options), seconds, settings)
    check_stats(err, least)
    return out


def run_json(build, core, words, seconds, **how):
    return procs.json_of(run(build, core, words, seconds, **how), words)
