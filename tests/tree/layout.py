# The top of the tree holds what the layout names, every folder of src is a layer, scripts can be run, nothing big is in.
import os

from tree import files, finish, root

TOP = {"meson.build", "meson_options.txt", "include", "src", "shim", "tests", "examples", "bench", "docs", "README.md",
       "LICENSE"}
LAYERS = {"sys", "poller", "core", "io", "dns", "sync", "net", "patch", "green", "capi", "task", "inspect",
          "gdb",  # a script, which reads processes from outside
          "trace"}

findings = []
tracked = files()
for path in tracked:
    top = path.split("/")[0]
    if top not in TOP and not top.startswith("."):
        findings.append(f"{path}: the layout names no top-level {top}")
    if path.startswith("src/") and path.count("/") > 1 and path.split("/")[1] not in LAYERS:
        findings.append(f"{path}: src/{path.split('/')[1]} is no layer")
    if os.path.getsize(os.path.join(root, path)) > 512 * 1024:
        findings.append(f"{path}: over 512 KiB")
for script in ("examples/demo.sh", "tests/run.sh", ".ci/run"):
    if not os.access(os.path.join(root, script), os.X_OK):
        findings.append(f"{script}: missing, or cannot be run")
for needed in ("README.md", "LICENSE", "meson.build"):
    if not os.path.isfile(os.path.join(root, needed)):
        findings.append(f"{needed}: missing")
finish(findings, len(tracked))
