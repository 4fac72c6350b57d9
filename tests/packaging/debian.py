# The Debian packages, built from the tree and installed into a clean root: debian.py SOURCE. Needs root for the clean root's chroot.
import glob
import os
import re
import shutil
import sys
import tempfile

from checks import check, end, must, run, users_programs

source = sys.argv[1]
if os.geteuid() != 0:
    print("skipped: a clean root is made and entered by root only")
    sys.exit(77)


def skip(why, said):
    print(f"{said[-2000:]}\nskipped: {why}")
    sys.exit(77)


with tempfile.TemporaryDirectory() as work:
    os.chmod(work, 0o755)
    plain = {k: v for k, v in os.environ.items() if k not in ("CFLAGS", "CXXFLAGS", "CC", "CXX")}
    must([source + "/.packaging/build-deb", work + "/packages"], 2400, env=plain)
    packages = sorted(glob.glob(work + "/packages/*.deb"))
    names = [re.match(r"([a-z-]+)_", os.path.basename(p))[1] for p in packages]
    check("the packages are weft and libweft-dev (and debug symbols)",
          {"weft", "libweft-dev"} <= set(names) <= {"weft", "libweft-dev", "weft-dbgsym"}, str(names))

    # The root has what the packages say that they need, and nothing else: apt fetches it with this machine's settings.
    needed = {name for p in packages if "dbgsym" not in p for name in
              re.findall(r"(?:^|, )([a-z0-9.+-]+)", must(["dpkg-deb", "-f", p, "Depends"]).strip())} - {"weft", "libweft-dev"}
    check("the packages name what they need", {"libc6", "libstdc++6", "libc-ares2", "libzydis4.0", "libdw1"} <= needed, str(needed))
    sources = [f for f in glob.glob("/etc/apt/sources.list.d/*.sources") + glob.glob("/etc/apt/sources.list") if os.path.getsize(f) > 0]
    root = work + "/root"
    status, said = run(["timeout", "--kill-after=20", "400", "mmdebstrap", "--variant=minbase", "--mode=root",
                        '--aptopt=Acquire::http::Timeout "30"', "--include=" + ",".join(sorted(needed)), "bookworm", root, *sources], 900)
    if status != 0:
        skip("no clean root can be made here (network, or rights)", said)
    check("the clean root knows nothing of Weft", glob.glob(root + "/usr/**/*weft*", recursive=True) == [])
    for p in packages:
        if "dbgsym" not in p:
            shutil.copy(p, root + "/tmp/")
    inside = ["chroot", root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
    status, said = run([*inside, "sh", "-c", "dpkg --install /tmp/*.deb"], 300)
    check("the packages can be installed", status == 0, said)
    if status != 0:
        end()
    documents = root + "/usr/share/doc/weft/"
    check("the documents are there, by the names under which they refer to each other",
          all(os.path.isfile(documents + name) for name in ("README.md", "docs/README.md", "docs/troubleshooting.md", "docs/headline.svg")),
          str(glob.glob(documents + "**", recursive=True)))
    status, said = run(["mount", "-t", "proc", "proc", root + "/proc"])
    if status != 0:
        skip("nothing can be mounted here (rights)", said)
    try:
        status, said = run([*inside, "weft", "doctor"])
        check("weft doctor's trial runs green there", status == 0 and "ran green" in said, said)
        status, said = run([*inside, "weft", "run", "--strict", "--", "perl", "-e", "sleep 0; print qq(perl\\n)"])
        check("weft run runs a program of that root", status == 0 and said == "perl\n", said)
        library = os.path.dirname(glob.glob(root + "/usr/lib/*/libweft.so")[0])
        users_programs(root + "/tmp", ["-I", root + "/usr/include", "-L", library, "-lweft"], plain,
                       [*inside, "sh", "-c", 'exec /tmp/${0##*/}'])
        said = must([*inside, "dpkg", "-L", "weft", "libweft-dev"])
        triplet = os.path.basename(library)
        for file in ("bin/weft", "share/man/man1/weft.1.gz", "include/weft/weft.hpp", f"lib/{triplet}/weft/libweft-shim.so",
                     f"lib/{triplet}/cmake/weft/weft-config.cmake"):
            check(f"/usr/{file} is packaged", f"/usr/{file}\n" in said, said)
        must([*inside, "dpkg", "--purge", "libweft-dev", "weft"])
        left = [f for f in glob.glob(root + "/usr/**/*weft*", recursive=True)]
        check("nothing is left once they are purged", not left, "\n".join(left))
    finally:
        run(["umount", root + "/proc"])
end()
