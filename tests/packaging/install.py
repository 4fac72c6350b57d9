# `meson install`: everything is there and works from where it was put. install.py BUILD SOURCE
import glob
import os
import re
import sys
import tempfile

from checks import check, end, must, run, users_programs

build, source = sys.argv[1:3]
with tempfile.TemporaryDirectory() as work:
    must(["meson", "install", "-C", build, "--no-rebuild", "--destdir", work + "/root"])
    root = os.path.dirname(os.path.dirname(glob.glob(work + "/root/**/bin/weft", recursive=True)[0]))
    library = os.path.dirname(glob.glob(root + "/**/libweft.so", recursive=True)[0])

    headers = {os.path.relpath(h, source + "/include") for h in glob.glob(source + "/include/weft/**/*.h*", recursive=True)}
    there = {os.path.relpath(h, root + "/include") for h in glob.glob(root + "/include/**/*.h*", recursive=True)}
    check(f"all {len(headers)} headers are installed, and no others", headers == there, str(headers ^ there))
    wanted = ["bin/weft", "libexec/weft/weft-doctor", "libexec/weft/weft-trial", "libexec/weft/weft-inspect",
              "share/man/man1/weft.1", "share/man/man7/weft.7",
              "share/man/man7/weft-blocking-calls.7"]
    wanted += [os.path.relpath(library, root) + "/" + f for f in ("libweft.so", "libweft.so.0", "weft/libweft-shim.so", "pkgconfig/weft.pc",
                                                                  "cmake/weft/weft-config.cmake")]
    for file in wanted:
        check(file + " is installed", os.path.exists(f"{root}/{file}"), "")
    check("gdb's script is installed", glob.glob(f"{root}/share/gdb/auto-load/**/libweft.so.*-gdb.py", recursive=True) != [])
    strangers = [f for f in glob.glob(work + "/root/**", recursive=True)
                 if os.path.isfile(f) and not re.search("weft", os.path.relpath(f, work + "/root"))]
    check("nothing else is installed", not strangers, "\n".join(strangers))

    named = must(["readelf", "-d", library + "/libweft.so"])
    check("the SONAME is libweft.so.0", "soname: [libweft.so.0]" in named, named)
    shown = must(["nm", "-D", "-C", "--defined-only", library + "/libweft.so"]).splitlines()
    foreign = [s for s in shown if not re.search(r" (weft_\w+|.*\bweft::.*)@@WEFT_0$| WEFT_0$", s)]
    check(f"all {len(shown)} symbols that libweft.so shows are Weft's own, with its version", len(shown) > 300 and not foreign,
          "\n".join(foreign[:20]))
    shown = must(["nm", "-D", "--defined-only", library + "/weft/libweft-shim.so"])
    check("the shim shows C functions only", "_Z" not in shown and "pthread_create" in shown, shown)

    # The .pc file names the prefix that was configured; DESTDIR goes before it.
    sysroot = {**os.environ, "PKG_CONFIG_LIBDIR": library + "/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": work + "/root"}
    flags = must(["pkg-config", "--cflags", "--libs", "weft"], env=sysroot).split()
    users_programs(work, flags, {**os.environ, "LD_LIBRARY_PATH": library})

    os.mkdir(work + "/cmake")
    with open(work + "/cmake/CMakeLists.txt", "w", encoding="utf-8") as f:
        f.write("cmake_minimum_required(VERSION 3.16)\nproject(user CXX)\nfind_package(weft 0.1 REQUIRED)\n"
                "add_executable(user ../user.cpp)\ntarget_link_libraries(user weft::weft)\n")
    plain = {k: v for k, v in os.environ.items() if k not in ("CXXFLAGS", "CFLAGS")}
    must(["cmake", "-S", work + "/cmake", "-B", work + "/cmake/build", "-DCMAKE_PREFIX_PATH=" + root], env=plain)
    must(["cmake", "--build", work + "/cmake/build"], env=plain)
    status, said = run([work + "/cmake/build/user"])
    check("a CMake project finds the package, and its program runs", status == 0 and said == "42 patched\n", said)
    with open(work + "/cmake/CMakeLists.txt", "w", encoding="utf-8") as f:
        f.write("cmake_minimum_required(VERSION 3.16)\nproject(user CXX)\nfind_package(weft 99 REQUIRED)\n")
    status, said = run(["cmake", "-S", work + "/cmake", "-B", work + "/cmake/newer", "-DCMAKE_PREFIX_PATH=" + root], env=plain)
    check("one that wants a later version is told", status != 0 and "version" in said, said)

    weft = root + "/bin/weft"
    trial = root + "/libexec/weft/weft-trial"
    status, said = run([weft, "run", "--strict", "--stats", "--", trial])
    check("the installed command runs a program green", status == 0 and re.search(r"green threads created +1\n", said), said)
    status, said = run([weft, "doctor"])
    check("the installed doctor finds what belongs to it", status == 0 and "ran green" in said, said)
    for page in glob.glob(root + "/share/man/man?/*"):
        status, said = run(["man", "-E", "UTF-8", "-l", page], env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
        check(f"{os.path.basename(page)} is a page with a name, and no raw Markdown is left",
              status == 0 and "NAME" in said and "](" not in said and "**" not in said, said[:3000])
        check(f"{os.path.basename(page)} fits a terminal: no table, no word broken, nothing that troff complains of",
              not any(sign in said for sign in ("│", "‐\n", "troff", "warning: ")), said[:3000])
end()
