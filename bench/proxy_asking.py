"""Who asks the proxy during a measurement: threads, again and again, and what each was answered. Blocking I/O."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`at`: when it was asked for, in seconds since 1970. `status` 0: none came."""

    at: float
    status: int
    body: str


@dataclass(slots=True)
class Asked:
    """All answers so far, in no order."""

    answers: list[Answer] = field(default_factory=list)

    def failed(self) -> list[Answer]:
        """Those that a user would have seen fail."""
        return [answer for answer in self.answers if answer.status != 200]

    def first(self, body: str, since: float) -> float | None:
        """When that was answered first."""
        return min((one.at for one in self.answers if one.at >= since and one.body == body), default=None)


def ask(url: str, timeout_s: float = TIMEOUT_S) -> Answer:
    """One request on a connection of its own."""
    place = urlsplit(url)
    at = time.time()
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout_s)
    try:
        connection.request("GET", place.path or "/")
        answer = connection.getresponse()
        return Answer(at, answer.status, answer.read().decode().strip())
    except (OSError, http.client.HTTPException) as error:
        return Answer(at, 0, repr(error))
    finally:
        connection.close()


@contextmanager
def asking(url: str, threads: int, pause_s: float, timeout_s: float = TIMEOUT_S) -> Iterator[Asked]:
    """So many threads ask, each with a pause after each answer, until the block ends."""
    asked, ended = Asked(), threading.Event()

    def work() -> None:
        while not ended.wait(pause_s):
            asked.answers.append(ask(url, timeout_s))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield asked
    finally:
        ended.set()
        for worker in workers:
            worker.join(2 * TIMEOUT_S)
