"""Memory of threads, the kernel's side included: kernel stacks and slabs (task structures) appear in no figure of the process, so
they are read where the whole machine's are; differences within seconds, on a machine that does nothing else.
"""
OWN = ("VmRSS", "VmPTE")
SHARED = ("KernelStack", "SUnreclaim")


def fields(path, names):
    """{name: number} of lines such as "VmRSS:   123 kB"."""
    found = {}
    with open(path) as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in names:
                found[name] = int(rest.split()[0])
    return found


def kernel_kb():
    return sum(fields("/proc/meminfo", SHARED).values())


def process_kb(pid):
    """Resident pages and page tables."""
    return sum(fields(f"/proc/{pid}/status", OWN).values())


def threads(pid):
    """OS threads, as the kernel counts them."""
    return fields(f"/proc/{pid}/status", ("Threads",))["Threads"]


class Growth:
    """What a process and the kernel on its behalf have taken since this was made."""

    def __init__(self, pid):
        self.pid = pid
        self.before = self.now()

    def now(self):
        return process_kb(self.pid) + kernel_kb()

    def kb(self):
        return self.now() - self.before
