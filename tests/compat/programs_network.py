# Scenarios: more servers whose threads answer: caches and proxies, directories, names, scanners, brokers, and their clients.
import contextlib
import hashlib
import json
import os
import signal
import socket
import struct
import urllib.request

import load
from aids import PYTHON, helper, until
from programs_more import answers_names, name_load, pages_in
from programs_servers import PAGES
from scenario import expect, need, scenario


@scenario("varnishd", "40 clients at once fetch pages of 6 B to 1.5 MB through its cache, some hundred threads; ended by SIGTERM",
          ["varnishd", "gcc"], ["varnish", "gcc"], group="servers")
def varnish(side):
    work = side.folder("varnish")

    def command(origin, port):
        return [need("varnishd"), "-F", "-j", "none", "-n", work, "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{origin}",
                "-s", "malloc,32m", "-p", "thread_pool_min=50"]
    with load.serving(load.Origin) as origin:
        def answering(port):
            with contextlib.suppress(OSError):
                return load.http_get(port, "/small")[0] == 200
            return False
        with side.serve(lambda p: command(origin, p), ready=answering) as server:
            answers = load.http_load(server.port, PAGES, 40, 2)
    return {"answers": answers, "status": server.ended.status}


@scenario("squid, aufs", "30 clients at once through its cache on disk, which threads read and write; ended by SIGTERM", ["squid"],
          ["squid"], group="servers")
def squid(side):
    os.chmod(side.path, 0o777)
    work = side.folder("cache", "proxy")

    def command(port):
        conf = side.file("conf", f"http_port 127.0.0.1:{port}\nhttp_access allow all\ncache_dir aufs {work} 32 4 4\n"
                                 f"minimum_object_size 1 KB\nmaximum_object_size_in_memory 0 KB\nmaximum_object_size 8 MB\ncache_mem 0 MB\n"
                                 f"pid_filename {side.path}/pid-{port}\ncache_log {work}/log\n"
                                 f"access_log none\nnetdb_filename none\npinger_enable off\nshutdown_lifetime 1 seconds\n"
                                 f"refresh_pattern . 60 100% 120 override-expire ignore-reload\nvisible_hostname weft.test\n")
        return [need("squid"), "-N", "-f", conf]
    with load.serving(load.Origin) as origin:
        side.run([need("squid"), "-N", "-z", "-f", command(1)[-1]])
        with side.serve(command) as server:
            answers = load.http_load(origin, PAGES, 30, 2, via=server.port)
    return {"answers": answers, "status": server.ended.status}


@scenario("slapd", "20 clients at once add, search and delete entries of an LDAP directory; ended by SIGTERM", ["slapd", "ldapadd"],
          ["slapd", "ldap-utils"], group="servers")
def slapd(side):
    data = side.folder("data")

    def command(port):
        conf = side.file("conf", f"include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
                                 f"pidfile {side.path}/pid\nthreads 8\ndatabase mdb\n"
                                 f"maxsize 67108864\nsuffix \"dc=weft\"\nrootdn \"cn=admin,dc=weft\"\n"
                                 f"rootpw secret\ndirectory {data}\nindex objectClass eq\n")
        return [need("slapd"), "-h", f"ldap://127.0.0.1:{port}", "-f", conf, "-d", "0"]
    with side.serve(command) as server:
        link = ["-x", "-H", f"ldap://127.0.0.1:{server.port}", "-D", "cn=admin,dc=weft", "-w", "secret"]
        base = side.file("base", "dn: dc=weft\nobjectClass: dcObject\nobjectClass: organization\ndc: weft\no: weft\n")
        helper("ldapadd", *link, "-f", base)

        def client(number):
            many = "\n".join(f"dn: cn=c{number}n{n},dc=weft\nobjectClass: person\ncn: c{number}n{n}\nsn: s{n}\n" for n in range(10))
            helper("ldapadd", *link, "-f", side.file(f"ldif{number}", many))
            found = helper("ldapsearch", *link, "-LLL", "-b", "dc=weft", f"(cn=c{number}n*)", "sn")
            helper("ldapdelete", *link, f"cn=c{number}n1,dc=weft")
            return "\n".join(sorted(found.splitlines()))
        answers = load.together(20, client)
        left = helper("ldapsearch", *link, "-LLL", "-b", "dc=weft", "(objectClass=person)", "cn").count("dn: ")
    return {"answers": answers, "left": left, "status": server.ended.status}


@scenario("nginx, aio threads", "pages read by a pool of eight threads in each of two processes; 40 clients; ended by SIGQUIT", ["nginx"],
          ["nginx-light"], group="servers")
def nginx_threads(side):
    root = pages_in(side)

    def command(port):
        conf = side.file("nginx.conf", f"""daemon off; worker_processes 2; pid {side.path}/pid; error_log stderr error; user root;
            thread_pool readers threads=8;
            events {{ worker_connections 256; }}
            http {{ access_log off; client_body_temp_path {side.path}/b; proxy_temp_path {side.path}/p; fastcgi_temp_path {side.path}/f;
              uwsgi_temp_path {side.path}/u; scgi_temp_path {side.path}/s; aio threads=readers; sendfile off; output_buffers 2 16k;
              server {{ listen 127.0.0.1:{port} backlog=256; location / {{ root {root}; }} }} }}""")
        return [need("nginx"), "-c", conf, "-p", side.path]
    with side.serve(command, how=signal.SIGQUIT) as server:
        answers = load.http_load(server.port, PAGES, 40, 2)
    return {"answers": answers, "status": server.ended.status}


@scenario("nghttpx and h2load", "HTTP/2 through four workers to a web server, by 40 clients of four threads; ended by SIGTERM",
          ["nghttpx", "h2load"], ["nghttp2-proxy", "nghttp2-client"], group="servers")
def nghttpx(side):
    def command(origin, port):
        return [need("nghttpx"), "--conf=/dev/null", "-b", f"127.0.0.1,{origin}", "-f", f"127.0.0.1,{port};no-tls", "-n4",
                "--errorlog-file=/dev/null", "--single-process"]
    with load.serving(load.Origin) as origin, side.serve(lambda p: command(origin, p)) as server:
        answers = load.http_load(server.port, PAGES, 20, 2)
        said = side.run([need("h2load"), "-n", "400", "-c", "40", "-t", "4", "-m", "4", f"http://127.0.0.1:{server.port}/small"]).out
    return {"answers": answers, "status": server.ended.status, "said": [line for line in said.splitlines() if "codes" in line or
                                                                        line.startswith("requests")]}


@scenario("knotd", "20 clients at once ask for 20 names each of its UDP workers, as a zone is loaded again; ended by SIGTERM", ["knotd"],
          ["knot"], group="servers")
def knot(side):
    zone = side.file("zone", "$ORIGIN weft.test.\n$TTL 60\n@ SOA a. b. 1 60 60 60 60\n@ NS a.\n" +
                     "".join(f"host{n} A 10.0.0.{n}\n" for n in range(20)))
    database = side.folder("db")

    def command(port):
        conf = side.file("conf", f"""server:
    rundir: {side.path}
    listen: 127.0.0.1@{port}
    udp-workers: 4
    tcp-workers: 4
    background-workers: 4
database:
    storage: {database}
log:
  - target: stderr
    any: critical
zone:
  - domain: weft.test
    file: {zone}
""")
        return [need("knotd"), "-c", conf]
    with side.serve(command) as server:
        until(lambda: answers_names(server.port))
        answers = name_load(server.port)
        server.signal(signal.SIGHUP)
        more = name_load(server.port)
    return {"answers": answers, "more": more, "status": server.ended.status}


@scenario("clamd", "20 clients at once have streams and files scanned by its threads; ended by SIGTERM", ["clamd"], ["clamav-daemon"],
          group="servers")
def clamd(side):
    bad = b"a body that is on the list " * 40
    data = side.folder("db")
    with open(os.path.join(data, "weft.hdb"), "w", encoding="ascii") as file:
        file.write(f"{hashlib.md5(bad).hexdigest()}:{len(bad)}:Weft.Test\n")

    def command(port):
        conf = side.file("conf", f"TCPSocket {port}\nTCPAddr 127.0.0.1\nForeground yes\nDatabaseDirectory {data}\nMaxThreads 8\nUser root\n"
                                 f"ConcurrentDatabaseReload no\nTemporaryDirectory {side.path}\n")
        return [need("clamd"), "-c", conf]

    def scan(port, body):
        with contextlib.closing(load.connect(port)) as s:
            s.sendall(b"zINSTREAM\0" + b"".join(struct.pack(">I", len(body[i:i + 5000])) + body[i:i + 5000]
                                                for i in range(0, len(body), 5000)) + struct.pack(">I", 0))
            answer = b""
            while part := s.recv(4096):
                answer += part
            return answer.decode()
    with side.serve(command) as server:
        answers = load.together(20, lambda n: [scan(server.port, body) for body in (bad, load.pattern(50_000 + n), b"x" * 300)])
    return {"answers": load.counted(text for answer in answers for text in answer), "status": server.ended.status}


@scenario("turnserver", "coturn: 30 clients ask four relay threads for their address by UDP and by TCP; ended by SIGTERM", ["turnserver"],
          ["coturn"], group="servers")
def coturn(side):
    def command(port):
        return [need("turnserver"), "-n", "-L", "127.0.0.1", "-p", str(port), "--no-tls", "--no-dtls", "--no-cli", "-m", "4",
                "--log-file=stdout", "--simple-log", "-S", "--pidfile", side.file("pid"), "--db", side.file("db")]

    def binding(number):
        return struct.pack(">HHI12s", 1, 0, 0x2112A442, b"weft%08d" % number)

    def client(port, number):
        said = []
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
            s.connect(("127.0.0.1", port))
            s.settimeout(5)
            for _ in range(8):
                with contextlib.suppress(OSError):
                    s.send(binding(number))
                    said.append(s.recv(2000)[:20].hex())
                    break
        with contextlib.closing(load.connect(port)) as s:
            for n in range(5):
                s.sendall(binding(n))
                head = load.read_exactly(s, 20)
                load.read_exactly(s, struct.unpack(">H", head[2:4])[0])
                said.append(head[:2].hex() + head[4:].hex())
        return said
    with side.serve(command) as server:
        answers = load.together(30, lambda number: client(server.port, number))
    return {"answers": answers, "status": server.ended.status}


@scenario("transmission-daemon", "a torrent of 4 MB is added and verified while 10 clients ask; ended by SIGTERM", ["transmission-daemon",
          "transmission-create"], ["transmission-daemon", "transmission-cli"], group="servers")
def transmission(side):
    body = load.pattern(4_000_000)
    with open(os.path.join(side.folder("down"), "body"), "wb") as file:
        file.write(body)
    torrent = side.file("body.torrent")
    helper("transmission-create", "-o", torrent, os.path.join(side.path, "down", "body"))
    conf = side.folder("conf")

    def command(port):
        settings = {"rpc-port": port, "rpc-bind-address": "127.0.0.1", "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False,
                    "utp-enabled": False, "port-forwarding-enabled": False, "peer-port": 0, "bind-address-ipv4": "127.0.0.1",
                    "download-dir": os.path.join(side.path, "down"), "rpc-whitelist-enabled": False}
        with open(os.path.join(conf, "settings.json"), "w", encoding="ascii") as file:
            json.dump(settings, file)
        return [need("transmission-daemon"), "-f", "-g", conf, "--log-error"]

    def ask(port, method, **arguments):
        question = urllib.request.Request(f"http://127.0.0.1:{port}/transmission/rpc", json.dumps(
            {"method": method, "arguments": arguments}).encode(), {"X-Transmission-Session-Id": ask.session})
        try:
            with urllib.request.urlopen(question, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            ask.session = error.headers["X-Transmission-Session-Id"]
        return ask(port, method, **arguments)
    ask.session = ""
    with side.serve(command) as server:
        added = ask(server.port, "torrent-add", filename=torrent)["result"]
        fields = ["name", "percentDone", "haveValid", "error"]

        def state():
            return ask(server.port, "torrent-get", fields=fields)["arguments"]["torrents"]
        until(lambda: state()[0]["percentDone"] == 1)
        states = load.together(10, lambda number: [state() for _ in range(5)])
    return {"added": added, "states": states, "status": server.ended.status}


@scenario("privoxy", "40 clients at once fetch pages of 6 B to 1.5 MB through the proxy, a thread each; ended by SIGTERM", ["privoxy"],
          ["privoxy"], group="servers")
def privoxy(side):
    def command(port):
        conf = side.file("conf", f"confdir {side.path}\nlogdir {side.path}\nlogfile log\nlisten-address 127.0.0.1:{port}\n"
                                 f"max-client-connections 200\nlisten-backlog 200\n")
        return [need("privoxy"), "--no-daemon", conf]
    with load.serving(load.Origin) as origin, side.serve(command) as proxy:
        answers = load.http_load(origin, PAGES, 40, 2, via=proxy.port)
    return {"answers": answers, "status": proxy.ended.status}


@scenario("icecast2", "a source of 600 KB and 15 listeners; ended by SIGTERM", ["icecast2"], ["icecast2"], group="servers")
def icecast(side):
    def command(port):
        os.makedirs(os.path.join(side.path, "log"), exist_ok=True)
        conf = side.file("conf.xml", f"""<icecast><limits><clients>100</clients><sources>5</sources><burst-size>0</burst-size></limits>
            <authentication><source-password>secret</source-password><admin-user>admin</admin-user><admin-password>secret</admin-password>
            </authentication><hostname>127.0.0.1</hostname><listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address>
            </listen-socket><paths><basedir>{side.path}</basedir><logdir>{side.path}/log</logdir><webroot>{side.path}</webroot>
            <adminroot>{side.path}</adminroot></paths><logging><accesslog>access</accesslog><errorlog>error</errorlog><loglevel>1</loglevel>
            </logging><security><chroot>0</chroot>
            <changeowner><user>nobody</user><group>nogroup</group></changeowner></security></icecast>""")
        os.chmod(side.path, 0o777)
        os.chmod(os.path.join(side.path, "log"), 0o777)
        return [need("icecast2"), "-c", conf]
    body = load.pattern(600_000)
    with side.serve(command) as server, contextlib.ExitStack() as links:
        source = links.enter_context(contextlib.closing(load.connect(server.port)))
        source.sendall(b"SOURCE /stream HTTP/1.0\r\nAuthorization: Basic c291cmNlOnNlY3JldA==\r\nContent-Type: application/ogg-not\r\n\r\n")
        expect(b"200" in source.recv(1000), "the source was refused")
        listeners = []
        for _ in range(15):
            listener = links.enter_context(contextlib.closing(load.connect(server.port)))
            listener.sendall(b"GET /stream HTTP/1.0\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += load.read_exactly(listener, 1)
            listeners.append(listener)
        statuses = head.split(b"\r\n")[0].decode()

        def play(number):
            if number == 0:
                for at in range(0, len(body), 20_000):
                    source.sendall(body[at:at + 20_000])
                source.shutdown(socket.SHUT_WR)
                return None
            heard = b""
            while part := listeners[number - 1].recv(65536):
                heard += part
            return body.endswith(heard) and len(heard) > 100_000 or len(heard)
        heard = load.together(16, play)
    return {"heard": heard, "said": statuses, "status": server.ended.status}
