# python3's socketserver.ThreadingTCPServer, echoing until SIGTERM; says how many connections and bytes it served.
import signal
import socketserver
import sys
import threading

served, lock = [0, 0], threading.Lock()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        size = 0
        while data := self.request.recv(65536):
            self.request.sendall(data)
            size += len(data)
        with lock:
            served[0] += size > 0
            served[1] += size


class Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = False, True, 256


with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
    # shutdown() waits for serve_forever(), which this handler interrupts: so from another thread.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
print("connections", served[0], "bytes", served[1])
