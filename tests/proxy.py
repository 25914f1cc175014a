"""A TCP proxy between a client and a server that can hold back or lose what goes either way, in the test's loop."""

import asyncio
from typing import Self


class Proxy:
    """`port` is where clients connect.

    `answers.clear()` holds back what the server says, `requests.clear()` what is said to it; `cut()` closes all
    connections, and what was held back is lost.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.answers = asyncio.Event()
        self.requests = asyncio.Event()
        self.answers.set()
        self.requests.set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Close all connections."""
        gone = set(self._writers)
        for writer in gone:
            writer.transport.abort()
        self.answers.set()
        self.requests.set()
        while gone & self._writers:
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(to_writer)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(reader, to_writer, self.requests))
                    group.create_task(_pump(to_reader, writer, self.answers))
            finally:
                to_writer.close()
                self._writers.discard(to_writer)
        except* (OSError, EOFError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    while chunk := await source.read(65536):
        await gate.wait()
        sink.write(chunk)
        await sink.drain()
    raise EOFError
