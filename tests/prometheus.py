"""What stands for Prometheus on the loopback: it keeps what it is asked, and answers what a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


def a_number(value: float) -> bytes:
    """An answer that has it."""
    body = json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [0, str(value)]}}).encode()
    return an_answer("200 OK", body)


def an_answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Any other one."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body


class Prometheus:
    """`asked`: requests' first lines, and their bodies. `answer` empty: none comes."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, bytes]] = []
        self.answer = a_number(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.asked.append((head.partition(b"\r\n")[0].decode(), await reader.readexactly(length)))
        if self.answer:
            writer.write(self.answer)
        else:
            await reader.read()  # until who asks goes away
        writer.close()


@asynccontextmanager
async def prometheus() -> AsyncIterator[Prometheus]:
    """Listens for as long as the context lasts."""
    made = Prometheus()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
