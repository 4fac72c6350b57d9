# Python threads at work: pools, queues, conditions, barriers, timers, thread-locals, subprocesses, sockets. Says what came out; all of
# it is ordered by what the threads wait for.
import concurrent.futures
import hashlib
import queue
import subprocess
import sys
import threading
import time
import urllib.request

port = int(sys.argv[1])

with concurrent.futures.ThreadPoolExecutor(30) as pool:
    print("hashes", hashlib.sha256("".join(pool.map(lambda n: hashlib.sha256(b"x" * n * 1000).hexdigest(),
                                                    range(200))).encode()).hexdigest())
    print("pages", sum(len(body) for body in pool.map(
        lambda n: urllib.request.urlopen(f"http://127.0.0.1:{port}/middle", timeout=20).read(), range(60))))
    print("children", sorted(set(pool.map(
        lambda n: subprocess.run(["/bin/sh", "-c", f"echo {n % 3}; exit {n % 3}"], capture_output=True,
                                 text=True).stdout, range(30)))))
    failing = pool.submit(lambda: 1 // 0)
    print("failed with", type(failing.exception()).__name__)

items, results = queue.Queue(5), queue.SimpleQueue()


def consumer():
    while (item := items.get()) is not None:
        results.put(item * item)
        items.task_done()


consumers = [threading.Thread(target=consumer) for _ in range(8)]
for t in consumers:
    t.start()
for n in range(2000):
    items.put(n)
items.join()
for _ in consumers:
    items.put(None)
for t in consumers:
    t.join()
print("squares", sum(results.get() for _ in range(2000)))

condition, turn, order = threading.Condition(), 0, []


def taker(mine):
    global turn
    for _ in range(50):
        with condition:
            condition.wait_for(lambda: turn % 6 == mine, timeout=30)
            order.append(mine)
            turn += 1
            condition.notify_all()


takers = [threading.Thread(target=taker, args=(n,)) for n in range(6)]
for t in takers:
    t.start()
for t in takers:
    t.join()
print("in turn", order == [n % 6 for n in range(300)])

barrier, rounds = threading.Barrier(10), [0] * 20
lock = threading.Lock()


def meet():
    for n in range(20):
        barrier.wait(30)
        with lock:
            rounds[n] += 1


people = [threading.Thread(target=meet) for _ in range(10)]
for t in people:
    t.start()
for t in people:
    t.join()
print("met", rounds == [10] * 20)

fired = threading.Event()
timer = threading.Timer(0.05, fired.set)
timer.start()
print("timer", fired.wait(20))
stopped = threading.Timer(60, fired.clear)
stopped.start()
stopped.cancel()
stopped.join()

local = threading.local()
seen = []


def own(n):
    local.value = n
    time.sleep(0.001)
    seen.append(local.value == n)


owners = [threading.Thread(target=own, args=(n,)) for n in range(50)]
for t in owners:
    t.start()
for t in owners:
    t.join()
print("locals", all(seen), len(seen), hasattr(local, "value"))

done = []


def spin(n):
    total = 0
    for i in range(300_000):
        total += i
    done.append(total)


spinners = [threading.Thread(target=spin, args=(n,)) for n in range(4)]
for t in spinners:
    t.start()
for t in spinners:
    t.join()
print("spun", len(set(done)), len(done), threading.active_count())
