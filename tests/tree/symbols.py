# The freestanding objects (sys, poller, core, ...) reference no symbol from outside Weft but those listed here: no malloc,
# no libc, no C++ run-time, no thread_local. A preempted green thread may hold libc's locks while that code runs.
import re
import subprocess
import sys

from tree import finish

ALLOWED = re.compile(r"""^(?:
    jump_fcontext | make_fcontext | ontop_fcontext      # Boost.Context, pure assembly
  | _GLOBAL_OFFSET_TABLE_ | __ehdr_start | _DYNAMIC     # the linker's
  | environ                                             # libc's data, no function: WEFT_* are read from it
)$""", re.VERBOSE)
# Hooks of tools, present only when the tool is: weak references.
WEAK = re.compile(r"^(?:__asan_|__tsan_|__sanitizer_|__lsan_|__ubsan_|AnnotateH)")
# Weft's own, C++ (namespace weft) and assembly.
OWN = re.compile(r"^(?:_ZN?K?[A-Z]*\d*4weft|_ZT[VIS]N4weft|_ZGVN4weft|weft_)")

archives = sys.argv[2:]
defined, wanted, looked_at = set(), [], 0
for archive in archives:
    listing = subprocess.run(["nm", "-A", archive], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        match = re.match(r"^(.*?):\s*([0-9a-f]*)\s+(\S)\s+(\S+)$", line)
        if not match:
            continue
        place, _, kind, symbol = match.groups()
        looked_at += 1
        if kind in "Uwv":
            wanted.append((place.rsplit(":", 1)[-1], kind, symbol.split("@")[0]))
        else:
            defined.add(symbol)

findings = []
for place, kind, symbol in sorted(set(wanted)):
    if symbol in defined or ALLOWED.match(symbol) or OWN.match(symbol) or (kind in "wv" and WEAK.match(symbol)):
        continue
    plain = subprocess.run(["c++filt", symbol], capture_output=True, text=True).stdout.strip()
    findings.append(f"{place}: references {plain}")
finish(findings, looked_at)
