# Dependencies point one way: a file includes only headers of its own layer or of those below (docs and README name them).
import os
import re

from tree import files, finish, lines, root

RANK = {layer: rank for rank, layers in enumerate([
    ["sys"], ["poller"], ["core"], ["io", "dns", "sync"], ["net"], ["patch"], ["green"], ["trace"], ["capi", "task"], ["inspect"],
    ["shim"]])
    for layer in layers}
# The public headers and the layer that each one is the face of. detail/ is the seam to the core.
PUBLIC_DEFAULT = "sync"
PUBLIC = {"error.hpp": "core", "fiber.hpp": "core", "waitable.hpp": "core", "cancel.hpp": "core", "hub.hpp": "core", 
          "hub_clock.hpp": "core",
          "testing.hpp": "core", "watchdog.hpp": "core", "greenlet.hpp": "core", "greenlet_value.hpp": "core",
          "fiber_generator.hpp": "core",
          "io.hpp": "io", "file.hpp": "io", "dns.hpp": "dns", "endpoint.hpp": "io",
          "socket.hpp": "net",
          "stream.hpp": "net", "listener.hpp": "net", "datagram.hpp": "net", "server.hpp": "net",
          "process.hpp": "net", "process_pool.hpp": "net", "patch.hpp": "patch", "trace.hpp": "trace",
          "task.hpp": "task", "async.hpp": "task", "async_generator.hpp": "task", "generator.hpp": "task",
          "weft.h": "capi", "weft.hpp": "task"}
# A program's single include, where every door meets: nothing inside Weft may use it.
UMBRELLA = "weft.hpp"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    parts = path.split("/")
    if parts[0] == "shim":
        return "shim"
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else None
    if parts[:2] == ["include", "weft"]:
        if parts[2] in ("detail", "core"):
            return "core"
        if len(parts) > 3 and parts[2] in RANK:
            return parts[2]
        return PUBLIC.get(parts[2], PUBLIC_DEFAULT)
    return None


def resolve(source, kind, name):
    candidates = [os.path.join(os.path.dirname(source), name)] if kind == '"' else []
    candidates += [os.path.join("src", name), os.path.join("include", name), name]
    for candidate in map(os.path.normpath, candidates):
        if os.path.isfile(os.path.join(root, candidate)) and candidate.startswith(("src/", "include/", "shim/")):
            return candidate
    return None


findings = []
sources = files("src", "shim", "include", suffixes=(".hpp", ".h", ".cpp", ".c", ".S"))
edges = 0
for source in sources:
    own = layer_of(source)
    if own not in RANK:
        findings.append(f"{source}: lies in no layer")
        continue
    for number, line in lines(source):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = resolve(source, *match.groups())
        if target is None:
            if match.group(1) == '"' or match.group(2).startswith("weft/"):
                findings.append(f"{source}:{number}: no such header: {match.group(2)}")
            continue
        edges += 1
        below = layer_of(target)
        public = source.startswith("include/")
        if below not in RANK:
            findings.append(f"{source}:{number}: {target} lies in no layer")
        elif RANK[below] > RANK[own]:
            findings.append(f"{source}:{number}: {own} includes {target}, of the higher layer {below}")
        elif RANK[below] == RANK[own] and below != own:
            # io, dns and sync stand side by side; only their public faces may know each other.
            if not target.startswith("include/"):
                findings.append(f"{source}:{number}: {own} includes {target}, of its neighbour {below}")
        if public and not target.startswith("include/"):
            findings.append(f"{source}:{number}: a public header includes the internal {target}")
        if os.path.basename(target) == UMBRELLA and target.startswith("include/") and own not in ("shim", "task", "capi"):
            findings.append(f"{source}:{number}: inside Weft, include the header that is meant, not {UMBRELLA}")
print(f"{edges} includes between files of the tree")
finish(findings, len(sources))
