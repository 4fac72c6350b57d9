"""asyncio on uvloop: the work of the style comparison. Usage: micro | memory N | timers N | echo."""
import asyncio
import sys

import uvloop

import peer


async def take_turns(count):
    async def body():
        for _ in range(count // 2):
            await asyncio.sleep(0)
    await asyncio.gather(body(), body())


async def spawn(count):
    async def nothing():
        pass
    for _ in range(count):
        await asyncio.create_task(nothing())


async def queue(count):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def echo():
        while (n := await there.get()) is not None:
            await back.put(n + 1)

    async def ask():
        for n in range(count):
            await there.put(n)
            await back.get()
        await there.put(None)
    await asyncio.gather(echo(), ask())


def leaf(levels):
    async def down(n, count):
        if n > 1:
            return await down(n - 1, count)
        for _ in range(count):
            await asyncio.sleep(0)

    async def timed(count):
        async def partner():
            while not body.done():
                await asyncio.sleep(0)
        body = asyncio.create_task(down(levels, count))
        await asyncio.gather(body, partner())
    return timed


def call(levels):
    async def down(n):
        return 1 if n == 1 else await down(n - 1) + 1

    async def many(count):
        for _ in range(count):
            await down(levels)
    return many


async def wait_for(count, to_the_end, lengths, report):
    seen = [0, 0]

    async def sleeper(length):
        seen[0] += 1
        await asyncio.sleep(length)
        seen[1] += 1
    tasks = {asyncio.create_task(sleeper(length)) for length in lengths}  # the loop keeps no strong reference
    while seen[to_the_end] < count:
        await asyncio.sleep(0.001)
    report()
    await asyncio.wait(tasks)


async def serve(reader, writer):
    while data := await reader.read(512):
        writer.write(data)
        await writer.drain()
    writer.close()


async def echo_server():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def run(coroutine_function):
    return lambda *arguments: asyncio.run(coroutine_function(*arguments))


if __name__ == "__main__":
    uvloop.install()
    works = {"switch": take_turns, "spawn": spawn, "queue": queue, "leaf/1": leaf(1), "leaf/10": leaf(10), "call/1": call(1),
             "call/10": call(10)}
    peer.main(sys.argv[1:], {name: run(work) for name, work in works.items()}, run(wait_for), run(echo_server))
