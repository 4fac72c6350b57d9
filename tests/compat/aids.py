# What scenarios share: programs that are not under test, and small programs compiled for a scenario.
import glob
import os
import subprocess
import time

from place import plain_environment
from scenario import expect, need

PYTHON = "/usr/bin/python3"
HERE = os.path.dirname(os.path.abspath(__file__))


def helper(*command, seconds=60, status=0):
    """A program that is not under test, to its end; what it printed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
                          env=plain_environment())
    expect(status is None or done.returncode == status, f"{command[0]}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def compiled(side, source, name, *options):
    """A small C program of programs/, built against Debian's library, natively on both sides."""
    out = side.file(name)
    helper("gcc", "-O2", "-pthread", "-o", out, os.path.join(HERE, "programs", source), *options)
    return out


def until(true, seconds=30):
    """Looks again and again until true() holds."""
    end = time.monotonic() + seconds
    while not true():
        expect(time.monotonic() < end, f"not ready after {seconds} s")
        time.sleep(0.02)


def postgres_folder():
    """Where Debian has the programs of its newest PostgreSQL: /usr/bin holds wrappers of some only."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    expect(found, "postgresql is not installed")
    return found[-1]


def postgres_command(data, port):
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "shared_buffers": "32MB",
                "log_min_messages": "panic", "max_connections": 60}
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    return [postgres_folder() + "/postgres", "-D", data, "-p", str(port)] + options


def postgres_ready(port):
    """It accepts connections before it serves."""
    ask = [postgres_folder() + "/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(ask, stdin=subprocess.DEVNULL, timeout=20, env=plain_environment()).returncode == 0


def postgres_data(place):
    data = place.folder("data", "postgres")
    place.run([postgres_folder() + "/initdb", "-D", data, "-U", "weft", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
               "--no-instructions"], user="postgres")
    return data


def nginx_command(place, port, root, workers):
    place.file("nginx.conf", f"""daemon off; worker_processes {workers}; pid {place.path}/pid; error_log stderr error; user root;
        events {{ worker_connections 256; }}
        http {{ access_log off; client_body_temp_path {place.path}/b; proxy_temp_path {place.path}/p; fastcgi_temp_path {place.path}/f;
          uwsgi_temp_path {place.path}/u; scgi_temp_path {place.path}/s;
          server {{ listen 127.0.0.1:{port} backlog=256; location / {{ root {root}; }} }} }}""")
    return [need("nginx"), "-c", place.file("nginx.conf"), "-p", place.path]
