# Weft as a subproject of somebody's meson project: subproject.py SOURCE
import os
import sys
import tempfile

from checks import CXX_PROGRAM, check, end, must, run

source = sys.argv[1]
with tempfile.TemporaryDirectory() as work:
    os.makedirs(work + "/subprojects")
    os.symlink(source, work + "/subprojects/weft")
    with open(work + "/user.cpp", "w", encoding="utf-8") as f:
        f.write(CXX_PROGRAM)
    with open(work + "/meson.build", "w", encoding="utf-8") as f:
        f.write("project('user', 'cpp', default_options: ['cpp_std=c++20', 'optimization=0'])\n"
                "executable('user', 'user.cpp', dependencies: dependency('weft', fallback: ['weft', 'weft_dep']))\n")
    must(["meson", "setup", work + "/build", work])
    targets = must(["ninja", "-C", work + "/build", "-t", "targets", "all"])
    check("neither tests nor examples of Weft are in the build", "doctest_main" not in targets and "echo_server" not in targets)
    must(["ninja", "-C", work + "/build", "user"], 1500)
    status, said = run([work + "/build/user"])
    check("the program runs", status == 0 and said == "42 patched\n", said)
end()
