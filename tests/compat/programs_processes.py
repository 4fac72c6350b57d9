# Scenarios: programs that fork or have one thread only: under Weft they must be as they were.
import os
import re
import signal

import load
from aids import HERE, helper, nginx_command, postgres_command, postgres_data, postgres_folder, postgres_ready
from scenario import expect, need, scenario


@scenario("bash", "pipelines, subshells, jobs, traps, coprocesses, here-documents, process substitution, wait -n", ["bash"],
          ["bash"],
          kind="forks", quick=True, group="processes")
def bash(side):
    return {"said": side.run([need("bash"), os.path.join(HERE, "programs", "jobs.sh")], cwd=side.folder("work")).out}


@scenario("make -j4 and gcc", "a program of 12 C files built by make -j4 and run; the object code compared", ["make", "gcc"],
          ["make", "gcc"],
          kind="forks", quick=True, group="processes")
def make(side):
    work = side.folder("work")
    for n in range(12):
        with open(os.path.join(work, f"part{n}.c"), "w", encoding="ascii") as file:
            file.write(f"#include <stdio.h>\nint part{n}(int x) {{ return x * {n} + {n * n}; }}\n")
    with open(os.path.join(work, "main.c"), "w", encoding="ascii") as file:
        file.write("#include <stdio.h>\n" + "".join(f"int part{n}(int);\n" for n in range(12)) + "int main(void) { int s = 0;\n" +
                   "".join(f"  s += part{n}(s % 100);\n" for n in range(12)) + "  printf(\"%d\\n\", s); return 0; }\n")
    with open(os.path.join(work, "Makefile"), "w", encoding="ascii") as file:
        file.write("objects := main.o " + " ".join(f"part{n}.o" for n in range(12)) + "\nprog: $(objects)\n\tgcc -o $@ $^\n"
                   "%.o: %.c\n\tgcc -O2 -c -o $@ $<\nfail:\n\t@false\n")
    built = side.run([need("make"), "-j4", "-C", work, "prog"], seconds=120)
    again = side.run([need("make"), "-C", work, "prog"])
    failing = side.run([need("make"), "-C", work, "fail"], status=2)
    objects = sorted(load.digest(open(os.path.join(work, name), "rb").read()) for name in os.listdir(work) if name.endswith(".o"))
    clean = [text.replace(side.path, "DIR") for text in ("\n".join(sorted(built.out.splitlines())), again.out)]
    return {"built": clean, "objects": objects, "fails": failing.status, "runs": side.run([os.path.join(work, "prog")]).out}


@scenario("postgres", "initdb, then the server under pgbench -c 8; balances checked by SQL; ended by SIGINT", ["psql"],
          ["postgresql"], kind="forks",
          quick=True, group="processes")
def postgres(side):
    data = postgres_data(side)
    with side.serve(lambda p: postgres_command(data, p), user="postgres", how=signal.SIGINT, ready=postgres_ready) as server:
        link = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "weft"]
        folder = postgres_folder()
        helper(folder + "/pgbench", "-i", "-q", *link, "postgres")
        bench = helper(folder + "/pgbench", "-c", "8", "-j", "2", "-t", "100", "-n", *link, "postgres")
        rows = helper(folder + "/psql", *link, "-At", "-c",
                      "SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; "
                      "SELECT COUNT(*), SUM(delta) = (SELECT SUM(abalance) FROM pgbench_accounts) FROM pgbench_history; "
                      "SELECT pg_sleep(0.05); CHECKPOINT", "postgres")
    return {"said": re.findall(r"^number of .*$", bench, re.M), "rows": rows, "status": server.ended.status}


@scenario("nginx", "two worker processes; 40 clients at once, pages of 6 B to 1.5 MB; reloaded by SIGHUP, ended by SIGQUIT",
          ["nginx"],
          ["nginx-light"], kind="forks", quick=True, group="processes")
def nginx(side):
    root = side.folder("www")
    for name, page in load.Origin.PAGES.items():
        with open(os.path.join(root, name[1:] or "index.html"), "wb") as file:
            file.write(page)
    with side.serve(lambda p: nginx_command(side, p, root, 2), how=signal.SIGQUIT) as server:
        answers = load.http_load(server.port, ["/", "/small", "/middle", "/large", "/none"], 40, 2)
        server.signal(signal.SIGHUP)
        more = load.http_load(server.port, ["/small"], 10, 5)
    return {"answers": answers, "more": more, "status": server.ended.status}


@scenario("coreutils and friends", "tar | gzip | tar, find, xargs -P, sort, dd, timeout, awk, sed, env -i", ["tar", "gzip"],
          ["tar"],
          kind="single", quick=True, group="processes")
def coreutils(side):
    said = side.run([need("bash"), os.path.join(HERE, "programs", "tools.sh")], cwd=side.folder("work")).out
    expect("tree 40" in said, f"the script did not come to its end: {said}")
    return {"said": said}


@scenario("sort --parallel=4", "300,000 lines, on four threads", ["sort"], ["coreutils"], quick=True, group="work")
def sort(side):
    path = side.file("lines")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{n * 7919 % 300007} {n}\n" for n in range(300_000))
    ended = side.run([need("sort"), "-n", "--parallel=4", "-S", "64M", "-o", path + ".sorted", path], env={"LC_ALL": "C"})
    helper("sort", "-n", "-c", path + ".sorted")
    with open(path + ".sorted", "rb") as file:
        return {"sorted": load.digest(file.read()), "said": ended.out}
