# python3's ThreadingHTTPServer with the pages of load.Origin, until SIGINT; says how many requests it answered.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import http.server
import threading

from load import Origin

count, lock = 0, threading.Lock()


class Handler(Origin.Handler):
    def do_GET(self):
        global count
        super().do_GET()
        with lock:
            count += 1


class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = False, 256


with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
print("answered", count)
