# Scenarios: servers that mix processes and threads, and programs whose threads pack, search, decode and interpret.
import contextlib
import os
import signal
import socket
import struct

import load
from aids import HERE, PYTHON, helper, until
from programs_servers import PAGES
from programs_work import digest_of, material
from scenario import expect, need, scenario


def pages_in(side, name="www"):
    """A folder that a web server can serve: the harness's pages."""
    root = side.folder(name)
    os.chmod(side.path, 0o755)
    for page, content in load.Origin.PAGES.items():
        with open(os.path.join(root, page[1:] or "index.html"), "wb") as file:
            file.write(content)
    return root


@scenario("haproxy nbthread 12", "40 clients at once fetch pages of 6 B to 1.5 MB through twelve threads; ended by SIGTERM", ["haproxy"],
          ["haproxy"], group="servers")
def haproxy(side):
    def command(origin, port):
        conf = side.file("conf", f"global\n nbthread 12\n maxconn 400\ndefaults\n mode http\n timeout connect 20s\n timeout client 20s\n"
                                 f" timeout server 20s\nlisten web\n bind 127.0.0.1:{port}\n server one 127.0.0.1:{origin}\n")
        return [need("haproxy"), "-db", "-f", conf]
    with load.serving(load.Origin) as origin, side.serve(lambda p: command(origin, p)) as proxy:
        answers = load.http_load(proxy.port, PAGES, 40, 2)
    return {"answers": answers, "status": proxy.ended.status}


def apache(side, mpm):
    modules = "/usr/lib/apache2/modules/mod_"
    root = pages_in(side)

    def command(port):
        conf = side.file("conf", f"""ServerRoot {side.path}
            ServerName weft.test
            Listen 127.0.0.1:{port}
            LoadModule mpm_{mpm}_module {modules}mpm_{mpm}.so
            LoadModule authz_core_module {modules}authz_core.so
            LoadModule dir_module {modules}dir.so
            User nobody
            Group nogroup
            PidFile {side.path}/pid
            DefaultRuntimeDir {side.path}
            ErrorLog /dev/null
            DocumentRoot {root}
            StartServers 2
            ServerLimit 2
            ThreadsPerChild 20
            MaxRequestWorkers 40
            GracefulShutdownTimeout 5
            """)
        return [need("apache2"), "-DFOREGROUND", "-f", conf]
    with side.serve(command) as server:
        answers = load.http_load(server.port, PAGES, 30, 2)
        server.signal(signal.SIGUSR1)     # new children take the old ones' place, which finish what they do
        after = load.http_load(server.port, PAGES, 10, 1)
    return {"answers": answers, "after": after, "status": server.ended.status}


for name in ("worker", "event"):
    scenario(f"apache2 mpm_{name}", "two processes of 20 threads; 30 clients at once; graceful restart in between; ended by SIGTERM",
             ["apache2"], ["apache2-bin"], group="servers")(lambda side, mpm=name: apache(side, mpm))


def ask_name(port, name, kind):
    """The answers to one question over UDP, asked again while none comes."""
    question = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0)
    question += b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack(">2H", kind, 1)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        s.connect(("127.0.0.1", port))
        for _ in range(10):
            with contextlib.suppress(OSError):
                s.settimeout(2)
                s.send(question)
                answer = s.recv(4096)
                return [answer[3] & 15, struct.unpack(">H", answer[6:8])[0], load.digest(answer[12:])]
    return "no answer"


def answers_names(port):
    try:
        return ask_name(port, "host1.weft.test", 1)[0] == 0
    except (OSError, IndexError, TypeError):
        return False


def name_load(port):
    def client(number):
        return [ask_name(port, f"host{(number + n) % 30}.weft.test", kind) for n in range(10) for kind in (1, 16)]
    return load.together(20, client)


@scenario("unbound num-threads 4", "20 clients at once ask for 20 names each of four threads; ended by SIGTERM", ["unbound"], ["unbound"],
          group="servers")
def unbound(side):
    def command(port):
        data = "".join(f'    local-data: "host{n}.weft.test. A 10.0.0.{n}"\n' for n in range(20))
        conf = side.file("conf", f"server:\n    num-threads: 4\n    interface: 127.0.0.1\n    port: {port}\n    chroot: \"\"\n"
                                 f"    username: \"\"\n    directory: \"{side.path}\"\n    pidfile: \"\"\n    use-syslog: no\n"
                                 f"    do-daemonize: no\n    verbosity: 0\n    local-zone: \"weft.test.\" static\n{data}")
        return [need("unbound"), "-d", "-c", conf]
    with side.serve(command) as server:
        until(lambda: answers_names(server.port))
        answers = name_load(server.port)
    return {"answers": answers, "status": server.ended.status}


@scenario("named -n 4", "BIND: 20 clients at once ask for 20 names each of four workers; ended by SIGTERM", ["named"], ["bind9"],
          group="servers")
def bind(side):
    side.file("zone", "$TTL 60\n@ SOA a. b. 1 60 60 60 60\n@ NS a.\n" + "".join(f"host{n} A 10.0.0.{n}\n" for n in range(20)))

    def command(port):
        conf = side.file("conf", f"""options {{ directory "{side.path}"; pid-file none; listen-on port {port} {{ 127.0.0.1; }};
            listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; }}; controls {{ }};
            zone "weft.test" {{ type master; file "zone"; }};""")
        return [need("named"), "-f", "-n", "4", "-c", conf]
    with side.serve(command) as server:
        until(lambda: answers_names(server.port))
        answers = name_load(server.port)
    return {"answers": answers, "status": server.ended.status}


@scenario("rsyslogd", "3,000 lines over 10 TCP connections through its worker threads into a file; ended by SIGTERM", ["rsyslogd"],
          ["rsyslog"], group="servers")
def rsyslog(side):
    out = os.path.join(side.path, "all.log")

    def command(port):
        conf = side.file("conf", f'module(load="imtcp")\ninput(type="imtcp" port="{port}" address="127.0.0.1")\n'
                                 f'template(name="t" type="string" string="%msg%\\n")\n'
                                 f'main_queue(queue.workerthreads="4" queue.workerthreadminimummessages="10")\n'
                                 f'*.* action(type="omfile" file="{out}" template="t")\n')
        return [need("rsyslogd"), "-n", "-f", conf, "-i", "NONE"]

    def client(port, number):
        with contextlib.closing(load.connect(port)) as s:
            s.sendall("".join(f"<13>Oct 11 22:14:15 weft test: line {number}-{n}\n" for n in range(300)).encode())

    def lines():
        with contextlib.suppress(OSError), open(out, encoding="ascii") as file:
            return sorted(line.strip() for line in file if " line " in line or line.startswith("line"))
        return []
    with side.serve(command) as server:
        load.together(10, lambda number: client(server.port, number))
        until(lambda: len(lines()) >= 3000)
    return {"lines": load.digest("\n".join(lines()).encode()), "count": len(lines()), "status": server.ended.status}


@scenario("gunicorn gthread", "two processes of eight Python threads; 30 clients at once; ended by SIGTERM", ["gunicorn"],
          ["gunicorn"], group="servers")
def gunicorn(side):
    side.file("app.py", "import threading\nlock, seen = threading.Lock(), 0\n\ndef app(environ, start):\n    global seen\n    with lock:\n"
                        "        seen += 1\n    body = environ['PATH_INFO'].encode() * int(environ['PATH_INFO'][1:] or 1)\n"
                        "    start('200 OK', [('Content-Length', str(len(body)))])\n    return [body]\n")
    with side.serve(lambda p: [PYTHON, need("gunicorn"), "-k", "gthread", "-w", "2", "--threads", "8", "-b", f"127.0.0.1:{p}",
                               "--chdir", side.path, "--log-level", "critical", "app:app"]) as server:
        answers = load.http_load(server.port, ["/1", "/1000", "/100000"], 30, 3)
    return {"answers": answers, "status": server.ended.status}


@scenario("puma -t 8:8", "a Ruby server of eight threads; 30 clients at once; ended by SIGTERM", ["puma"], ["puma"], group="servers")
def puma(side):
    rack = side.file("config.ru", "run lambda { |env| n = env['PATH_INFO'][1..].to_i; "
                                  "[200, {'Content-Type' => 'text/plain'}, ['weft' * n]] }\n")
    with side.serve(lambda p: [need("puma"), "-t", "8:8", "-b", f"tcp://127.0.0.1:{p}", "-q", rack], seconds=60) as server:
        answers = load.http_load(server.port, ["/1", "/1000", "/100000"], 30, 3)
    return {"answers": answers, "status": server.ended.status}


@scenario("uwsgi --threads 8", "two processes of eight Python threads; 30 clients at once; ended by SIGINT", ["uwsgi-core"],
          ["uwsgi-core", "uwsgi-plugin-python3"], group="servers")
def uwsgi(side):
    side.file("app.py", "def application(environ, start):\n    body = b'weft' * int(environ['PATH_INFO'][1:] or 1)\n"
                        "    start('200 OK', [('Content-Length', str(len(body)))])\n    return [body]\n")
    with side.serve(lambda p: [need("uwsgi-core"), "--plugin", "python3", "--http-socket", f"127.0.0.1:{p}", "--master", "--processes", "2",
                               "--threads", "8", "--chdir", side.path, "--wsgi-file", "app.py", "--disable-logging", "--die-on-term",
                               "--need-app", "--listen", "64"], how=signal.SIGINT) as server:
        answers = load.http_load(server.port, ["/1", "/1000", "/100000"], 30, 3)
    return {"answers": answers, "status": server.ended.status}


def packed(side, program, pack, unpack, suffix):
    path = material(side, 6_000_000)
    side.run([need(program), *pack, path])
    first = digest_of(path + suffix)
    side.run([need(program), *unpack, path + suffix])
    return {"packed": first, "back": digest_of(path)}


@scenario("pigz -p4", "6 MB there and back on four threads", ["pigz"], ["pigz"], group="work")
def pigz(side):
    return packed(side, "pigz", ["-n", "-p4"], ["-d", "-p4"], ".gz")


@scenario("lbzip2 -n4", "6 MB there and back on four threads", ["lbzip2"], ["lbzip2"], group="work")
def lbzip2(side):
    return packed(side, "lbzip2", ["-n4"], ["-d", "-n4"], ".bz2")


@scenario("plzip -n4", "6 MB there and back on four threads", ["plzip"], ["plzip"], group="work")
def plzip(side):
    return packed(side, "plzip", ["-n4", "-1"], ["-d", "-n4"], ".lz")


@scenario("7z -mmt=4", "6 MB packed by bzip2 on four threads, and unpacked", ["7z"], ["p7zip-full"], group="work")
def seven_zip(side):
    path, archive = material(side, 6_000_000), os.path.join(side.path, "all.7z")
    side.run([need("7z"), "a", "-mmt=4", "-m0=bzip2", "-bso0", "-bsp0", archive, path])
    os.unlink(path)
    side.run([need("7z"), "x", "-mmt=4", "-bso0", "-bsp0", "-o" + side.path, archive])
    return {"back": digest_of(path)}


@scenario("ripgrep -j4", "a word in some thousand files of /usr/include, on four threads", ["rg"], ["ripgrep"], group="work")
def ripgrep(side):
    said = side.run([need("rg"), "-j4", "--sort", "none", "-c", "define", "/usr/include"]).out
    return {"found": load.digest("\n".join(sorted(said.splitlines())).encode())}


@scenario("ffmpeg -threads 4", "a test picture encoded by frame threads of MPEG-4 and of x264", ["ffmpeg"], ["ffmpeg"], group="work")
def ffmpeg(side):
    def frames(codec, form):
        return side.run([need("ffmpeg"), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=2:s=320x240", "-threads", "4",
                         "-c:v", *codec, "-f", form, "-"]).out
    return {"mpeg4": frames(["mpeg4"], "framemd5"), "x264": frames(["libx264", "-preset", "ultrafast"], "framecrc")}


@scenario("node", "the thread pool (pbkdf2, files, names, zlib), worker threads with messages and shared memory, a subprocess", ["node"],
          ["nodejs"], group="languages")
def node(side):
    return {"said": sorted(side.run([need("node"), os.path.join(HERE, "programs", "threads.js")]).out.splitlines())}


@scenario("tcl threads", "ten interpreters, each in a thread, that answer scripts; a shared variable; a condition", ["tclsh"],
          ["tcl", "tcl-thread"], group="languages")
def tcl(side):
    return {"said": side.run([need("tclsh"), os.path.join(HERE, "programs", "threads.tcl")]).out}


@scenario("sbcl threads", "Common Lisp: threads that compute and make garbage, a mutex, a queue of conditions, an interrupt", ["sbcl"],
          ["sbcl"], group="languages")
def sbcl(side):
    return {"said": side.run([need("sbcl"), "--noinform", "--no-userinit", "--non-interactive", "--load",
                              os.path.join(HERE, "programs", "threads.lisp")]).out}


@scenario("guile threads", "Scheme: par-map, futures, a mutex and a condition variable, garbage", ["guile"], ["guile-3.0"],
          group="languages")
def guile(side):
    return {"said": side.run([need("guile"), "--no-auto-compile", "-s", os.path.join(HERE, "programs", "threads.scm")]).out}
