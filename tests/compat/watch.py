# Watches a program and what it starts, from outside, by /proc: OS threads and memory, the most at one moment.
# A thread of the harness samples; what lives for less than a sample is not seen. Must never stop or touch the program.
import glob
import os
import threading

KERNEL_STACK_KB = 16     # THREAD_SIZE of x86-64: what a thread holds in the kernel besides its page tables and bookkeeping
EVERY = 0.1
FIRST, FIRST_EVERY = 25, 0.02     # many programs are over soon


def family(pid):
    """The process and its descendants."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        for path in glob.glob(f"/proc/{one}/task/*/children"):
            try:
                with open(path, encoding="ascii") as file:
                    queue += [int(word) for word in file.read().split()]
            except OSError:
                pass
    return found


def fields(path, names):
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    return [int(lines[name].split()[0]) if name in lines else 0 for name in names]


class Watch:
    """threads: most OS threads of one process of the family. kb: PSS, page tables and kernel stacks of the whole family."""

    def __init__(self, pid):
        self.pid, self.threads, self.kb, self.over = pid, 0, 0, threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def sample(self):
        samples = 0
        while True:
            total, samples = 0, samples + 1
            for pid in family(self.pid):
                try:
                    threads, tables = fields(f"/proc/{pid}/status", ["Threads", "VmPTE"])
                    pss, = fields(f"/proc/{pid}/smaps_rollup", ["Pss"])
                except (OSError, ValueError):
                    continue
                if pss == 0:     # between fork and exec, or a zombie
                    continue
                self.threads = max(self.threads, threads)
                total += pss + tables + threads * KERNEL_STACK_KB
            self.kb = max(self.kb, total)
            if self.over.wait(FIRST_EVERY if samples < FIRST else EVERY):
                return

    def stop(self):
        self.over.set()
        self.thread.join()


def describe(pid):
    """What each thread of the family does now, for the report of a hang."""
    lines = []
    for one in family(pid):
        for task in sorted(glob.glob(f"/proc/{one}/task/*"))[:12]:
            words = []
            for name in ("comm", "wchan", "syscall"):
                try:
                    with open(f"{task}/{name}", encoding="utf-8", errors="replace") as file:
                        words.append(file.read().strip())
                except OSError:
                    words.append("?")
            lines.append(f"    {os.path.basename(task)} of {one}: {' | '.join(words)}")
    return "\n".join(lines)
