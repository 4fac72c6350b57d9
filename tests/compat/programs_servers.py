# Scenarios: threaded servers under test, loaded by clients that are not.
import contextlib
import os
import re
import signal
import ssl

import load
from aids import HERE, PYTHON, compiled, helper
from scenario import expect, need, scenario

PAGES = ["/", "/small", "/middle", "/large", "/none"]


@scenario("tinyproxy", "40 clients at once fetch pages of 6 B to 1.5 MB through the proxy; ended by SIGTERM", ["tinyproxy"],
          ["tinyproxy-bin"], group="servers")
def tinyproxy(side):
    def command(port):
        conf = side.file("conf",
                         f"Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 200\nLogFile \"{side.path}/log\"\nLogLevel Error\n")
        return [need("tinyproxy"), "-d", "-c", conf]
    with load.serving(load.Origin) as origin, side.serve(command) as proxy:
        answers = load.http_load(origin, PAGES, 40, 2, via=proxy.port)
    return {"answers": answers, "status": proxy.ended.status}


@scenario("microsocks", "40 SOCKS5 clients at once, each 20 echoes of 3 KB through a tunnel of its own; ended by SIGTERM",
          ["microsocks"],
          ["microsocks"], group="servers")
def microsocks(side):
    def tunnel(proxy, port):
        s = load.connect(proxy)
        s.sendall(b"\5\1\0")
        expect(load.read_exactly(s, 2) == b"\5\0", "refused greeting")
        s.sendall(b"\5\1\0\1\x7f\0\0\1" + port.to_bytes(2, "big"))
        expect(load.read_exactly(s, 10)[:2] == b"\5\0", "refused tunnel")
        return s
    with load.serving(load.Echo) as echo, side.serve(lambda p: [need("microsocks"), "-i", "127.0.0.1", "-p", str(p)]) as proxy:
        right = load.echo_load(lambda: tunnel(proxy.port, echo), 40, 20, 3000)
    return {"echoed": right, "status": proxy.ended.status}


@scenario("stunnel4", "30 TLS clients at once, each 20 echoes of 5 KB through a TLS session of its own; ended by SIGTERM",
          ["stunnel4", "openssl"], ["stunnel4", "openssl"], group="servers")
def stunnel(side):
    key, cert = side.file("key.pem"), side.file("cert.pem")
    helper("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
           "/CN=weft.test", "-keyout", key, "-out", cert)
    trust = ssl.create_default_context(cafile=cert)
    trust.check_hostname = False

    def command(echo, port):
        conf = side.file("conf", f"foreground = yes\npid =\ndebug = err\nsyslog = no\n[echo]\naccept = 127.0.0.1:{port}\n"
                                 f"connect = 127.0.0.1:{echo}\ncert = {cert}\nkey = {key}\n")
        return [need("stunnel4"), conf]
    with load.serving(load.Echo) as echo, side.serve(lambda p: command(echo, p)) as server:
        right = load.echo_load(lambda: trust.wrap_socket(load.connect(server.port)), 30, 20, 5000)
    return {"echoed": right, "status": server.ended.status}


@scenario("python3 ThreadingHTTPServer", "40 clients at once, pages of 6 B to 1.5 MB, a thread each; ended by SIGINT", quick=True,
          group="servers")
def python_http(side):
    script = os.path.join(HERE, "programs", "http_server.py")
    with side.serve(lambda p: [PYTHON, "-B", script, str(p)], how=signal.SIGINT) as server:
        answers = load.http_load(server.port, PAGES, 40, 2)
    return {"answers": answers, "status": server.ended.status, "said": server.ended.out}


@scenario("python3 socketserver", "ThreadingTCPServer: 60 clients at once, each 20 echoes of 2 KB; ended by SIGTERM", quick=True,
          group="servers")
def python_socketserver(side):
    script = os.path.join(HERE, "programs", "echo_server.py")
    with side.serve(lambda p: [PYTHON, "-B", script, str(p)]) as server:
        right = load.echo_load(lambda: load.connect(server.port), 60, 20, 2000)
    return {"echoed": right, "status": server.ended.status, "said": server.ended.out}


@scenario("memcached -t 4", "30 clients at once: set, get, incr, cas, delete, 20 rounds each; ended by SIGTERM", ["memcached"],
          ["memcached"],
          quick=True, group="servers")
def memcached(side):
    def client(port, number):
        said = []
        with contextlib.closing(load.connect(port)) as s, s.makefile("rb") as lines:
            def ask(text, answers=1):
                s.sendall(text.encode())
                said.append(b"".join(lines.readline() for _ in range(answers)).decode())
            for n in range(20):
                value = f"{number}-{n}-" + "x" * (n * 50)
                ask(f"set k{number} 0 0 {len(value)}\r\n{value}\r\n")
                ask(f"get k{number}\r\n", 3)
                ask(f"set c{number} 0 0 1\r\n7\r\n")
                ask(f"incr c{number} {n}\r\n")
                ask(f"delete k{number}\r\n")
                ask(f"get k{number}\r\n")
        return load.digest("".join(said).encode())
    with side.serve(lambda p: [need("memcached"), "-t", "4", "-l", "127.0.0.1", "-p", str(p), "-U", "0", "-u", "root"]) as server:
        said = load.together(30, lambda number: client(server.port, number))
    return {"answers": said, "status": server.ended.status}


def redis_scenario(side, requests, *options):
    cli = need("redis-cli")
    with side.serve(lambda p: [need("redis-server"), "--bind", "127.0.0.1", "--port", str(p), "--save", "", "--appendonly", "no",
                               "--dir",
                               side.path, *options]) as server:
        def ask(*words):
            return helper(cli, "-p", str(server.port), *words).strip()

        def client(number):
            with contextlib.closing(load.connect(server.port)) as s, s.makefile("rb") as lines:
                sums = 0
                for n in range(100):
                    s.sendall(f"SET k{number}:{n} {n * number}\r\nGET k{number}:{n}\r\nINCR all\r\n".encode())
                    lines.readline(), lines.readline()
                    sums += int(lines.readline())
                    lines.readline()
                return sums
        sums = load.together(40, client)
        table = helper(need("redis-benchmark"), "-p", str(server.port), "-n", str(requests), "-c", "50", "-t", "set,get,lpush", "--csv")
        seen = {"sums": sums, "all": ask("GET", "all"), "keys": ask("DBSIZE"), "tests": len(table.splitlines()),
                "saved": ask("SAVE"),
                "big": ask("EVAL", "for i=1,20000 do redis.call('rpush','l',i) end return redis.call('llen','l')", "0"),
                "unlinked": ask("UNLINK", "l"), "flushed": ask("FLUSHALL", "ASYNC"), "left": ask("DBSIZE")}
    return seen | {"status": server.ended.status}


@scenario("redis-server",
          "40 clients of 300 commands each, redis-benchmark, Lua, SAVE, lazy freeing by its own threads; ended by SIGTERM",
          ["redis-server", "redis-cli", "redis-benchmark"], ["redis-server", "redis-tools"], quick=True, group="servers")
def redis(side):
    return redis_scenario(side, 4000)


@scenario("redis-server --io-threads 2", "the same with spinning I/O threads", ["redis-server", "redis-cli", "redis-benchmark"],
          ["redis-server", "redis-tools"], quick=True, group="servers")
def redis_io_threads(side):
    return redis_scenario(side, 1000, "--io-threads", "2", "--io-threads-do-reads", "yes")


@scenario("mariadbd", "mariadb-slap with 20 connections, 400 queries, InnoDB; sums checked by SQL; ended by SIGTERM",
          ["mariadbd", "mariadb-slap", "mariadb-install-db"], ["mariadb-server", "mariadb-client"], group="servers", seconds=150)
def mariadb(side):
    data = side.folder("data", "mysql")
    side.machine.run([need("mariadb-install-db"), "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal",
                    "--skip-test-db", "--innodb-flush-method=nosync"], "mysql")
    init = side.file("init.sql", "CREATE DATABASE weft;\nCREATE USER 'weft'@'127.0.0.1' IDENTIFIED BY 'weft';\n"
                                 "GRANT ALL ON *.* TO 'weft'@'127.0.0.1';\n")
    with side.serve(lambda p: [
            need("mariadbd"), "--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", f"--port={p}",
            "--socket=" + data + "/socket", "--pid-file=" + data + "/pid", "--init-file=" + init, "--skip-log-bin", "--skip-name-resolve",
            "--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0"], user="mysql", seconds=60, end_seconds=40) as server:
        link = ["--no-defaults", "-h127.0.0.1", f"-P{server.port}", "-uweft", "-pweft"]

        def sql(text):
            return helper(need("mariadb"), *link, "-N", "-B", "-e", text, "weft")
        sql("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, v VARCHAR(200)) ENGINE=InnoDB")
        slap = helper(need("mariadb-slap"), *link, "--concurrency=20", "--number-of-queries=400", "--create-schema=weft",
                      "--delimiter=;", "--no-drop", "--csv",
                      "--query=INSERT INTO t (n, v) VALUES (7, REPEAT('weft', 40)); SELECT COUNT(*) FROM t WHERE n = 7")
        helper(need("mariadb-slap"), *link, "--concurrency=10", "--number-of-queries=200", "--auto-generate-sql",
               "--auto-generate-sql-load-type=mixed")
        seen = {"sum": sql("SELECT COUNT(*), SUM(n), MAX(id), SUM(LENGTH(v)) FROM t"), "slap": slap.count("\n"),
                "locks": sql("SELECT GET_LOCK('l', 1), RELEASE_LOCK('l'), SLEEP(0.05)"), "check": sql("CHECK TABLE t")}
    return seen | {"status": server.ended.status}


@scenario("iperf -s", "iperf -c -P 8, 32 MB over eight streams; ended by SIGINT", ["iperf"], ["iperf"], group="servers")
def iperf(side):
    with side.serve(lambda p: [need("iperf"), "-s", "-B", "127.0.0.1", "-p", str(p)], how=signal.SIGINT) as server:
        said = helper(need("iperf"), "-c", "127.0.0.1", "-p", str(server.port), "-P", "8", "-n", "4M", "-f", "m")
    streams = re.findall(r"\[ *\d+\] .*?([\d.]+) MBytes", said)
    there = re.findall(r"\[ *\d+\] .*?([\d.]+) MBytes", server.ended.out)
    return {"sent": sorted(streams), "received": sorted(there), "status": server.ended.status}


@scenario("libmicrohttpd",
          "a server that takes one thread per connection, against Debian's library: 60 clients at once, GET and POST",
          ["gcc"], ["gcc", "libmicrohttpd-dev"], group="servers")
def microhttpd(side):
    program = compiled(side, "microhttpd.c", "microhttpd", "-lmicrohttpd")
    with side.serve(lambda p: [program, str(p)]) as server:
        answers = load.http_load(server.port, ["/", "/1000", "/100000", "/2000000"], 60, 2)
    return {"answers": answers, "status": server.ended.status, "said": server.ended.out}


@scenario("civetweb", "40 clients at once fetch files of 6 B to 1.5 MB from its worker threads; ended by SIGTERM", ["civetweb"],
          ["civetweb"],
          group="servers")
def civetweb(side):
    root = side.folder("www")
    for name, page in load.Origin.PAGES.items():
        with open(os.path.join(root, name[1:] or "index.html"), "wb") as file:
            file.write(page)
    with side.serve(lambda p: [need("civetweb"), "-listening_ports", f"127.0.0.1:{p}", "-document_root", root, "-num_threads",
                               "50"]) as server:
        answers = load.http_load(server.port, PAGES[:-1], 40, 2)
    return {"answers": answers, "status": server.ended.status}
