"""TCP relays between the quorum ports of servers: what one says the other gets, unchanged, and it is written down first."""

import asyncio
import threading
import time

CHUNK = 1 << 16
REFUSED_FOR_SECONDS = 1.0  # a leader that is not listening yet: learners try again for half a second, and would have to ask around anew


class Connection:
    """`chunks`: (is it the learner's, bytes), as they came."""

    def __init__(self, learner, leader, at):
        self.learner, self.leader, self.at = learner, leader, at
        self.chunks, self.tasks = [], []


class Relays:
    """One listening port for each (who dials, who is dialled). Runs on a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.connections, self.stalled, self.servers = [], set(), {}
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def open(self, learner, leader, port, at="127.0.0.1", own_port=0, is_written_down=True):
        """A port for `learner` to reach `leader`, which listens on `port` of 127.0.0.1."""
        async def listen():
            server = await asyncio.start_server(
                lambda reader, writer: self.relay(Connection(learner, leader, at), port, is_written_down, reader, writer), at, own_port)
            self.servers[learner, leader, at, port] = server
            return server.sockets[0].getsockname()[1]
        return self.on_loop(listen())

    def on_loop(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    async def relay(self, connection, port, is_written_down, reader, writer):
        try:
            to_reader, to_writer = await self.dial(port)
        except OSError:
            writer.transport.abort()
            return
        if is_written_down:
            self.connections.append(connection)
        connection.tasks = [asyncio.ensure_future(self.pump(connection, True, reader, to_writer)),
                            asyncio.ensure_future(self.pump(connection, False, to_reader, writer))]
        await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in connection.tasks:  # who has gone leaves nobody to talk to
            task.cancel()
        for end in (writer, to_writer):
            end.close()

    async def dial(self, port):
        began = time.monotonic()
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if time.monotonic() > began + REFUSED_FOR_SECONDS:
                    raise
                await asyncio.sleep(0.05)

    async def pump(self, connection, is_learner, reader, writer):
        try:
            while chunk := await reader.read(CHUNK):
                while (connection.learner, connection.leader) in self.stalled:
                    await asyncio.sleep(0.02)
                connection.chunks.append((is_learner, chunk))
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass

    def shut(self, learner, leader, at):
        """This way is closed from now on, and what went over it ends."""
        async def end():
            for (*way, _), server in self.servers.items():
                if way == [learner, leader, at]:
                    server.close()
            for connection in self.connections:
                if (connection.learner, connection.leader, connection.at) == (learner, leader, at):
                    for task in connection.tasks:
                        task.cancel()
        self.on_loop(end())

    def stall(self, *sids):
        """Nothing gets through between these two, until `heal`; their connections stay."""
        self.stalled |= {sids, sids[::-1]}

    def heal(self):
        self.stalled.clear()

    def close(self):
        async def end():
            for server in self.servers.values():
                server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
        self.on_loop(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
