"""gevent: the work of the style comparison. Usage: micro | memory N | timers N | echo."""
import sys

import gevent
import gevent.queue
import gevent.server

import peer


def pair(body):
    """body in one greenlet, yielding for ever in another."""
    def partner():
        while not timed.ready():
            gevent.sleep(0)
    timed = gevent.spawn(body)
    gevent.joinall([timed, gevent.spawn(partner)])


def take_turns(count):
    def body():
        for _ in range(count // 2):
            gevent.sleep(0)
    pair(body)


def spawn(count):
    for _ in range(count):
        gevent.spawn(peer.nothing).join()


def queue(count):
    there, back = gevent.queue.Queue(1), gevent.queue.Queue(1)

    def echo():
        for n in iter(there.get, None):
            back.put(n + 1)

    def ask():
        for n in range(count):
            there.put(n)
            back.get()
        there.put(None)
    gevent.joinall([gevent.spawn(echo), gevent.spawn(ask)], raise_error=True)


def leaf(levels):
    def down(n, count):
        if n > 1:
            return down(n - 1, count)
        for _ in range(count):
            gevent.sleep(0)
    return lambda count: pair(lambda: down(levels, count))


def call(levels):
    def down(n):
        return 1 if n == 1 else down(n - 1) + 1

    def many(count):
        for _ in range(count):
            down(levels)
    return many


def wait_for(count, to_the_end, lengths, report):
    seen = [0, 0]

    def sleeper(length):
        seen[0] += 1
        gevent.sleep(length)
        seen[1] += 1
    for length in lengths:
        gevent.spawn(sleeper, length)
    while seen[to_the_end] < count:
        gevent.sleep(0.001)
    report()


def serve(connection, _):
    while data := connection.recv(512):
        connection.sendall(data)


def echo_server():
    server = gevent.server.StreamServer(("127.0.0.1", 0), serve, backlog=4096)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    peer.main(sys.argv[1:], {"switch": take_turns, "spawn": spawn, "queue": queue, "leaf/1": leaf(1), "leaf/10": leaf(10),
                             "call/1": call(1), "call/10": call(10)}, wait_for, echo_server)
