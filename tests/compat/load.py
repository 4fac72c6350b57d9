# The clients that load the servers under test, and the small servers that the clients under test ask. Python threads of the
# harness itself, which is never under Weft. Each returns what the peers said, so that a scenario can compare it.
import concurrent.futures
import contextlib
import hashlib
import http.client
import http.server
import socket
import socketserver
import threading

SECONDS = 60     # for one answer


def together(clients, work):
    """work(0), ... work(clients - 1) at the same time, one thread each, all of them started before one goes on; their results in order."""
    gate = threading.Barrier(clients)

    def one(number):
        gate.wait(SECONDS)
        return work(number)
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return list(pool.map(one, range(clients)))


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def pattern(size, seed=1):
    """Bytes that look random and compress a little: the same everywhere."""
    words = b"".join(hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(min(size, 1 << 16) // 64 + 1))
    text = b"".join(words[i:i + 32] + b"weft compatibility text, again!!" for i in range(0, len(words), 32))
    return (text * (size // len(text) + 1))[:size]


def connect(port):
    s = socket.create_connection(("127.0.0.1", port), SECONDS)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_exactly(s, size):
    data = bytearray()
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            raise ConnectionError(f"ended after {len(data)} of {size} bytes")
        data += part
    return bytes(data)


def http_get(port, path, via=None, close=False):
    """(status, length, digest) of one request, through a proxy on port `via` when named."""
    link = http.client.HTTPConnection("127.0.0.1", via or port, timeout=SECONDS)
    with contextlib.closing(link):
        link.request("GET", f"http://127.0.0.1:{port}{path}" if via else path, headers={"Connection": "close"} if close else {})
        answer = link.getresponse()
        body = answer.read()
        return answer.status, len(body), digest(body)


def http_load(port, paths, clients, rounds, via=None):
    """Every client asks for every path that many times on a connection of its own per request; how often each answer came."""
    def client(number):
        return [(path, *http_get(port, path,
                                 via)) for _ in range(rounds) for path in paths[number % len(paths):] + paths[:number % len(paths)]]
    return counted(answer for answers in together(clients, client) for answer in answers)


def counted(answers):
    table = {}
    for answer in answers:
        key = " ".join(map(str, answer)) if isinstance(answer, tuple) else str(answer)
        table[key] = table.get(key, 0) + 1
    return dict(sorted(table.items()))


def echo_load(open_link, clients, rounds, size):
    """Every client sends and gets back `rounds` messages on a link of its own; how many bytes came back right."""
    def client(number):
        right = 0
        with contextlib.closing(open_link()) as link:
            for n in range(rounds):
                message = pattern(size + n, number)
                link.sendall(message)
                right += len(message) if read_exactly(link, len(message)) == message else 0
        return right
    return sum(together(clients, client))


class Origin(http.server.ThreadingHTTPServer):
    """A web server with a few pages for programs that ask one."""
    daemon_threads, request_queue_size = True, 256
    PAGES = {"/": b"front\n", "/small": pattern(2_000), "/middle": pattern(60_000), "/large": pattern(1_500_000)}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            page = Origin.PAGES.get(self.path)
            self.send_response(200 if page is not None else 404)
            page = page or b"no such page\n"
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    def handle_error(self, *_):
        pass    # a client that goes away is the client's affair


class Echo(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 256

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                while data := self.request.recv(65536):
                    self.request.sendall(data)


@contextlib.contextmanager
def serving(kind):
    """An Origin or an Echo of the harness, on a free port, while the block runs; its port."""
    with kind(("127.0.0.1", 0), kind.Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
