"""What the shim adds to the start of a program: CPU time of /bin/true, with the site tables of libc and
its fellows still to be made (cold), and with them in the cache (warm).
"""
import os
import shutil
import tempfile

from . import procs, table

TARGET_MS = 2.5


def cpu_ms(settings, words=("/bin/true",)):
    """User and system time of one run, from exec to exit."""
    clean = {"PATH": "/bin:/usr/bin"}
    pid = os.posix_spawn(words[0], list(words), {**clean, **settings})
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise procs.Failed(f"{' '.join(words)}: wait status {status}")
    return (usage.ru_utime + usage.ru_stime) * 1e3


def measure(build, runs, quick, verdicts):
    times = 30 if quick else 20 * runs
    print(f"\nThe shim preloaded into /bin/true, CPU time (medians of {times} runs in turn)")
    shim = os.path.join(os.path.dirname(os.path.abspath(build)), "shim", "libweft-shim.so")
    folder = tempfile.mkdtemp(prefix="weft-start-")
    try:
        warm_cache, cold_cache = os.path.join(folder, "warm"), os.path.join(folder, "cold")
        kinds = {"native": {}, "shim, warm": {"LD_PRELOAD": shim, "WEFT_CACHE": warm_cache},
                 "shim, cold": {"LD_PRELOAD": shim, "WEFT_CACHE": cold_cache}}
        figures = {name: [] for name in kinds}
        cpu_ms(kinds["shim, warm"])
        if not os.listdir(warm_cache):
            raise procs.Failed("no site table was kept: the shim was not active")
        for _ in range(times):
            for name, settings in kinds.items():
                figures[name].append(cpu_ms(settings))
            shutil.rmtree(cold_cache)
    except (procs.Failed, OSError) as error:
        verdicts.failed("start of /bin/true", error)
        return
    finally:
        shutil.rmtree(folder)
    added = {name: table.median([a - b for a, b in zip(values, figures["native"])]) for name, values in figures.items()}
    table.show(["program", "CPU ms", "added ms"],
               [[name, f"{table.median(values):.2f}", f"{added[name]:.2f}"] for name, values in figures.items()])
    verdicts.at_most("CPU added to /bin/true, warm cache (ms)", added["shim, warm"], TARGET_MS)
