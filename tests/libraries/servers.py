# The servers of the library tests, each brought up in a Place with what its test asks of it. Every function returns the
# environment that tells the test program where the server is. Debian's paths; nothing of the machine's own servers is touched.
import glob
import os
import signal
import subprocess
import sys

from place import Trouble

HERE = os.path.dirname(os.path.abspath(__file__))


def program(*patterns):
    for pattern in patterns:
        if found := sorted(glob.glob(pattern)):
            return found[-1]
    raise Trouble(f"none of {', '.join(patterns)} is installed (tests/support/setup.sh names the packages)")


def postgres(place):
    folder = os.path.dirname(program("/usr/lib/postgresql/*/bin/postgres"))
    data = place.folder("data", "postgres")
    place.run([folder + "/initdb", "-D", data, "-U", "weft", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
               "--no-instructions"], "postgres")
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 250, "fsync": "off",
                "shared_buffers": "32MB", "autovacuum": "off", "log_min_messages": "fatal"}
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    # SIGINT: its fast shutdown, which does not wait for clients.
    # It accepts while it still starts up, and refuses then whoever asks for a session.
    ready = lambda p: subprocess.run([folder + "/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(p)]).returncode == 0
    port = place.start_on_port(lambda p: [folder + "/postgres", "-D", data, "-p", str(p)] + options, "postgres", signal.SIGINT, ready)
    return {"WEFT_TEST_PORT": str(port)}


def mariadb(place):
    data = place.folder("data", "mysql")
    server = program("/usr/sbin/mariadbd", "/usr/sbin/mysqld")
    place.run([program("/usr/bin/mariadb-install-db"), "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal",
               "--skip-test-db", "--innodb-flush-method=nosync"], "mysql")
    init = place.file("init.sql", "CREATE DATABASE weft;\nCREATE USER 'weft'@'127.0.0.1' IDENTIFIED BY 'weft';\n"
                                  "GRANT ALL ON *.* TO 'weft'@'127.0.0.1';\n")
    port = place.start_on_port(lambda p: [
        server, "--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", f"--port={p}", "--socket=" + data + "/socket",
        "--pid-file=" + data + "/pid", "--max-connections=250", "--init-file=" + init, "--skip-log-bin", "--skip-name-resolve",
        "--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0", "--back-log=250"], "mysql")
    return {"WEFT_TEST_PORT": str(port)}


def proxied(place, port):
    proxy = place.start_on_port(lambda p: [sys.executable, "-B", HERE + "/proxy.py", str(p), str(port)])
    return {"WEFT_TEST_PORT": str(proxy), "WEFT_TEST_DIRECT_PORT": str(port)}


def redis(place):
    return proxied(place, place.start_on_port(lambda p: [
        program("/usr/bin/redis-server"), "--bind", "127.0.0.1", "--port", str(p), "--save", "", "--appendonly", "no", "--dir",
        place.path]))


def memcached(place):
    # nobody: memcached refuses to be root without being told whom else to be.
    return proxied(place, place.start_on_port(lambda p: [
        program("/usr/bin/memcached"), "-l", "127.0.0.1", "-p", str(p), "-U", "0", "-u", "nobody"]))


def name_server(place):
    """A slow DNS server that libc's own resolver asks: every name below weft.test is this machine, but for one."""
    names, port_file = place.private_name_server(), place.file("dns.port")
    if not names:
        return {}
    command = [os.environ["WEFT_DNS_SERVER"], "--address", names["WEFT_TEST_NAME_SERVER"], "--port", "53", "--port-file",
               port_file, "--end-with-parent", "--delay-ms", "60", "--wildcard", "weft.test=127.0.0.1", "--nxdomain", "missing.weft.test"]
    if not place.start(command, lambda: os.path.exists(port_file) and os.path.getsize(port_file) > 0):
        raise Trouble("weft-dns-server did not start")
    return names


def nginx(place):
    os.mkdir(place.file("www"))
    for i in range(100):
        place.file(f"www/{i}", f"page {i}\n" * (i + 1))
    place.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-subj", "/CN=weft.test", "-addext", "subjectAltName=DNS:*.weft.test,IP:127.0.0.1", "-keyout",
               place.file("key.pem"), "-out", place.file("cert.pem")])
    echo = program("/usr/lib/nginx/modules/ngx_http_echo_module.so")
    waits = "".join(f"location /wait{ms}/ {{ echo_sleep {ms / 1000}; echo waited $uri; }}\n" for ms in (300, 1000, 3000))

    def command(port):
        place.file("nginx.conf", f"""
            load_module {echo};
            daemon off; master_process off; pid {place.path}/pid; error_log stderr error;
            events {{ worker_connections 1024; }}
            http {{
              access_log off; client_body_temp_path {place.path}/body; proxy_temp_path {place.path}/proxy;
              fastcgi_temp_path {place.path}/f; uwsgi_temp_path {place.path}/u; scgi_temp_path {place.path}/s;
              server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {place.path}/cert.pem; ssl_certificate_key {place.path}/key.pem;
                location = /status {{ stub_status; }}
                {waits}
                location / {{ root {place.path}/www; }}
              }}
            }}""")
        return [program("/usr/sbin/nginx"), "-c", place.file("nginx.conf"), "-p", place.path]

    port = place.start_on_port(command)
    return name_server(place) | {"WEFT_TEST_PORT": str(port), "WEFT_TEST_CERTIFICATE": place.file("cert.pem")}


def sqlite(place):
    return {"WEFT_TEST_FOLDER": place.folder("database")}


def resolver(place):
    """The test starts a DNS server of its own there, so that it can read its counters."""
    return place.private_name_server()


BY_NAME = {"postgres": postgres, "mariadb": mariadb, "redis": redis, "memcached": memcached, "nginx": nginx, "sqlite": sqlite,
           "resolver": resolver}
