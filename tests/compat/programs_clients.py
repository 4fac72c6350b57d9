# Scenarios: threaded clients under test, against servers that are not.
import contextlib
import json
import os
import re
import signal

import load
from aids import HERE, PYTHON, helper, nginx_command, postgres_command, postgres_data, postgres_folder, postgres_ready, until
from scenario import expect, need, scenario


@contextlib.contextmanager
def web(side):
    """nginx with one worker and the pages of load.Origin: it knows ranges, which the harness's own server does not."""
    root = side.machine.folder("www")
    os.chmod(root, 0o755)
    for name, page in (load.Origin.PAGES | {"/huge": load.pattern(30_000_000)}).items():
        with open(os.path.join(root, name[1:] or "index.html"), "wb") as file:
            file.write(page)
    yield side.machine.start_on_port(lambda p: nginx_command(side.machine, p, root, 1)), root


@scenario("siege", "12 users, 10 fetches each of five pages", ["siege", "nginx"], ["siege", "nginx-light"], group="clients")
def siege(side):
    with web(side) as (port, _):
        conf = side.file("siegerc", "verbose = false\njson_output = true\nshow-logfile = false\nlogging = false\ncolor = off\n"
                                    "protocol = HTTP/1.1\nconnection = close\nbenchmark = true\nlimit = 255\n")
        urls = side.file("urls", "".join(f"http://127.0.0.1:{port}{page}\n" for page in ("/", "/small", "/middle", "/none")))
        ended = side.run([need("siege"), "-R", conf, "-c", "12", "-r", "10", "-f", urls], env={"HOME": side.path})
    said = json.loads(ended.out[ended.out.index("{"):])
    return {name: said[name] for name in ("transactions", "availability", "data_transferred", "successful_transactions",
                                          "failed_transactions")}


@scenario("axel -n 8", "one file of 30 MB over eight connections", ["axel", "nginx"], ["axel", "nginx-light"], group="clients")
def axel(side):
    with web(side) as (port, root):
        ended = side.run([need("axel"), "-q", "-n", "8", "-o", side.file("huge"), f"http://127.0.0.1:{port}/huge"])
        same = helper("cmp", side.file("huge"), root + "/huge")
    return {"same": same, "said": ended.out.replace(str(port), "PORT")}


@scenario("curl (threaded resolver)", "20 URLs at once by name, pages of 6 B to 1.5 MB; a name that is not there",
          ["curl", "nginx"],
          ["curl", "nginx-light"], quick=True, group="clients")
def curl(side):
    with web(side) as (port, _):
        words = [w for n in range(20) for w in ("-o", side.file(f"page{n}"),
                                                f"http://localhost:{port}{['/', '/small', '/middle', '/large'][n % 4]}")]
        ended = side.run([need("curl"), "-sS", "-4", "--parallel", "--parallel-immediate", "-w",
                          "%{http_code} %{size_download}\n", *words])
        # Part of it is longer than a name's part may be: the resolver says so without asking anybody.
        missing = side.run([need("curl"), "-sS", f"http://{'no' * 40}.invalid/"], status=6)
    pages = []
    for n in range(20):
        with open(side.file(f"page{n}"), "rb") as file:
            pages.append(load.digest(file.read()))
    return {"answers": sorted(ended.out.split("\n")), "pages": pages, "missing": missing.status}


@scenario("pgbench -j 4", "8 clients of 100 transactions on four threads, against PostgreSQL; balances checked by SQL", ["psql"],
          ["postgresql"], quick=True, group="clients")
def pgbench(side):
    data = postgres_data(side.machine)
    port = side.machine.start_on_port(lambda p: postgres_command(data, p), "postgres", signal.SIGINT)
    until(lambda: postgres_ready(port))
    link = ["-h", "127.0.0.1", "-p", str(port), "-U", "weft"]
    folder = postgres_folder()
    helper(folder + "/pgbench", "-i", "-q", *link, "postgres")
    ended = side.run([folder + "/pgbench", "-c", "8", "-j", "4", "-t", "100", "-n", *link, "postgres"])
    rows = helper(folder + "/psql", *link, "-At", "-c",
                  "SELECT COUNT(*), SUM(delta) = (SELECT SUM(abalance) FROM pgbench_accounts) "
                                                        "FROM pgbench_history", "postgres")
    said = re.findall(r"^(number of .*|scaling .*)$", ended.out, re.M)
    return {"said": said, "rows": rows}


@scenario("redis-benchmark --threads 4", "20,000 SET, GET and LPUSH each by 40 connections on four threads",
          ["redis-server", "redis-benchmark"],
          ["redis-server", "redis-tools"], quick=True, group="clients")
def redis_benchmark(side):
    port = side.machine.start_on_port(lambda p: [need("redis-server"), "--bind", "127.0.0.1", "--port", str(p), "--save", "",
                                                 "--dir", side.machine.path])
    ended = side.run([need("redis-benchmark"), "-p", str(port), "--threads", "4", "-c", "40", "-n", "20000", "-t",
                      "set,get,lpush", "--csv"])
    names = [line.split(",")[0] for line in ended.out.splitlines()]
    counts = helper(need("redis-cli"), "-p", str(port), "INFO", "commandstats")
    calls = sorted(re.findall(r"cmdstat_(set|get|lpush):calls=(\d+)", counts))
    expect(all(int(n) >= 20000 for _, n in calls), f"commands were lost: {calls}")
    length = helper(need("redis-cli"), "-p", str(port), "LLEN", "mylist")
    return {"tests": names, "calls": calls, "list": length}


@scenario("git over HTTP",
          "clone of 400 commits by the dumb protocol, fsck, grep on four threads, repack on four threads, second fetch",
          ["git", "nginx"], ["git", "nginx-light"], quick=True, group="clients")
def git(side):
    with web(side) as (port, root):
        bare, clone = os.path.join(root, "weft.git"), side.file("clone")
        quiet = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": side.path, "GIT_TERMINAL_PROMPT": "0"}
        helper("git", "init", "-q", "--bare", bare)
        stream = side.file("stream", "".join(
            f"commit refs/heads/main\nmark :{n}\ncommitter weft <weft@weft.test> {1700000000 + n} +0000\ndata 6\nstep {n % 10}\n"
            f"M 644 inline file{n % 40}\ndata {len(text)}\n{text}\n\n" for n in range(1, 401)
            for text in [f"line of {n}\n" * (n % 60 + 1)]))
        helper("sh", "-c",
               f"git -C {bare} fast-import --quiet <{stream} && git -C {bare} repack -adq && git -C {bare} update-server-info")
        git = need("git")
        side.run([git, "-c", "pack.threads=4", "clone", "-q", "-b", "main", f"http://localhost:{port}/weft.git", clone], env=quiet)
        head = side.run([git, "-C", clone, "rev-parse", "HEAD", "HEAD^{tree}"], env=quiet).out
        fsck = side.run([git, "-C", clone, "-c", "pack.threads=4", "fsck", "--full", "--no-progress"], env=quiet)
        found = side.run([git, "-C", clone, "grep", "--threads=4", "-c", "line of 3"], env=quiet).out
        side.run([git, "-C", clone, "-c", "pack.threads=4", "repack", "-q", "-adf"], env=quiet)
        status = side.run([git, "-C", clone, "-c", "core.preloadIndex=true", "status", "--porcelain"], env=quiet).out
        again = side.run([git, "-C", clone, "fetch"], env=quiet)
        objects = side.run([git, "-C", clone, "count-objects", "-v"], env=quiet).out
    return {"head": head, "fsck": fsck.out, "found": found, "status": status, "fetched": again.out,
            "objects": re.findall(r"in-pack: \d+|packs: \d+", objects)}


@scenario("sysbench threads", "16 threads, 1,000 events of lock and yield", ["sysbench"], ["sysbench"], group="clients")
def sysbench_threads(side):
    ended = side.run([need("sysbench"), "threads", "--threads=16", "--events=1000", "--time=0", "--thread-locks=4", "run"])
    return {"said": re.findall(r"total number of events: +\d+|Number of threads: \d+", ended.out)}


@scenario("sysbench mutex", "16 threads, mutexes locked 20,000 times each", ["sysbench"], ["sysbench"], group="clients")
def sysbench_mutex(side):
    ended = side.run([need("sysbench"), "mutex", "--threads=16", "--mutex-locks=20000", "--mutex-loops=200", "run"])
    return {"said": re.findall(r"total number of events: +\d+|Number of threads: \d+", ended.out)}


@scenario("python3 thread pools",
          "ThreadPoolExecutor, queues, conditions, barriers, timers, subprocesses and sockets from 30 threads",
          quick=True, group="clients")
def python_pools(side):
    with load.serving(load.Origin) as origin:
        ended = side.run([PYTHON, "-B", os.path.join(HERE, "programs", "pools.py"), str(origin)])
    return {"said": ended.out.replace(str(origin), "PORT")}
