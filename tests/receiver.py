"""A receiver of notifications on the loopback: it keeps what it is asked, and answers as a test wants."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request; `target` is the path with its query, as it came, headers' names are in small letters."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


OK = Reply()


class Receiver:
    """`answer` may be set at any time; it may block, in a thread of its request's own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Reply] = lambda _: OK


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Listens for as long as the context lasts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(2**21)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            made.asked.append(asked)
            reply = made.answer(asked)
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # who asked is gone

    server = Server(("127.0.0.1", port), Handler)
    made = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
