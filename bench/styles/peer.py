"""What the Python peers of the style comparison have in common: arguments, clocks, the line of JSON. CPU time of the process."""
import json
import os
import random
import time

# A work of one process; long enough that its clock is not the figure.
COUNT = 50_000


def nothing():
    pass


def footprint_kb():
    with open("/proc/self/status") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("VmRSS:", "VmPTE:")))


def ns_each(work, count):
    began = time.process_time_ns()
    work(count)
    return (time.process_time_ns() - began) / count


def main(arguments, works, wait_for, echo_server):
    """works: {name: function(count)}; wait_for(count, to_the_end, lengths, report): makes that many
    sleepers and calls report() when all have begun, or are over."""
    if arguments == ["echo"]:
        echo_server()
    elif arguments == ["micro"]:
        print(json.dumps({name: ns_each(work, COUNT) for name, work in works.items()}))
    else:
        what, count = arguments[0], int(arguments[1])
        lengths = [3600.0] * count if what == "memory" else [random.random() for _ in range(count)]
        before, began = footprint_kb(), time.process_time()

        def report():
            cpu_s, grown = time.process_time() - began, footprint_kb() - before
            print(json.dumps({"count": count, "cpu_s": cpu_s, "bytes_each": 1024 * grown / count}), flush=True)
            os._exit(0)  # those that wait are not waited for
        wait_for(count, what == "timers", lengths, report)
