# What the checks of the tree share: which files there are, and how a finding is reported.
import os
import subprocess
import sys

root = os.path.realpath(sys.argv[1])


def files(*folders, suffixes=None):
    """Paths below `folders` (all when none is named) relative to the top, without builds and what git ignores."""
    try:
        listed = subprocess.run(
            ["git", "-C", root, "-c", f"safe.directory={root}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):      # a release archive has no git
        listed = [os.path.relpath(os.path.join(at, name), root) for at, folder, names in os.walk(root)
                  for name in names if not os.path.relpath(at, root).startswith(("build", ".git"))]
    return sorted(f for f in set(listed) if f and os.path.isfile(os.path.join(root, f))
                  and (not folders or f.startswith(tuple(folder + "/" for folder in folders)))
                  and (suffixes is None or f.endswith(suffixes)))


def lines(path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return enumerate(file.read().split("\n"), 1)


def finish(findings, looked_at):
    for finding in findings:
        print(finding)
    print(f"{looked_at} looked at, {len(findings)} found wrong")
    if looked_at == 0:
        print("nothing to look at: the check would pass on an empty tree")
    sys.exit(1 if findings or looked_at == 0 else 0)
