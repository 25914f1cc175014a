"""A bare HTTP/1.1 client on one connection that sends a request in one packet, as curl does: its own cost is next to
none, so that what is measured is the server. Blocking sockets.
"""

import json
import socket
from typing import Any, Self
from urllib.parse import urlsplit


class PlainHttp:
    """One connection to `url`, kept open."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        place = urlsplit(url)
        assert place.hostname is not None, f"{url} names no host"
        self._host = place.netloc
        self._socket = socket.create_connection((place.hostname, place.port or 80), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def post(self, path: str, body: Any) -> tuple[int, bytes]:
        """POST a JSON body; the answer's status and body."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        return self._ask(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    def get(self, path: str) -> tuple[int, bytes]:
        """The status and body of a GET."""
        return self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head_bytes, _, content = received.partition(b"\r\n\r\n")
        lines = head_bytes.decode().lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        while len(content) < length:
            content += self._more()
        return int(lines[0].split()[1]), content

    def _more(self) -> bytes:
        part = self._socket.recv(65536)
        assert part, "the server closed the connection"
        return part
