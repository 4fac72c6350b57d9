# A proxy on loopback that delays requests and counts how many are in flight: proxy.py PORT SERVER_PORT
# A request is what a client that waits for its answer has sent: one piece. It goes on to the server once no other request has come
# for DELAY seconds, so that clients which really wait at the same time are all in flight at once, however slow the machine, and a
# client that waits alone is delayed too. "PROXYSTATS\r\n" (memcached's way) or Redis' command of that name is answered by the proxy
# itself with the most that were in flight since it was asked last, once none is any more (libmemcached says "quit" and leaves).
import asyncio
import sys

DELAY = 0.1


class Proxy:
    def __init__(self, server_port):
        self.server_port = server_port
        self.now = self.most = 0
        self.last_came = 0.0

    async def hold(self):
        self.now += 1
        self.most = max(self.most, self.now)
        clock = asyncio.get_running_loop().time
        self.last_came = clock()
        while (left := self.last_came + DELAY - clock()) > 0:
            await asyncio.sleep(left)

    async def stats(self, request):
        while self.now:
            await asyncio.sleep(0.01)
        answer, self.most = self.most, 0
        return b":%d\r\n" % answer if request.startswith(b"*") else b"STAT most %d\r\nEND\r\n" % answer

    async def back(self, server, client):
        while data := await server.read(65536):
            client.write(data)
        client.close()

    async def serve(self, reader, client):
        server_reader, server = await asyncio.open_connection("127.0.0.1", self.server_port)
        task = asyncio.create_task(self.back(server_reader, client))
        try:
            while request := await reader.read(65536):
                if b"PROXYSTATS\r\n" in request:
                    client.write(await self.stats(request))
                    continue
                await self.hold()
                self.now -= 1
                server.write(request)
            server.close()
            await task
        except ConnectionError:
            task.cancel()
            client.close()


async def main(port, server_port):
    server = await asyncio.start_server(Proxy(server_port).serve, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
