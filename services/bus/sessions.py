"""The bucket of the sessions, as the scheduler reads it: how long services are wanted to be awake. I/O: the bus.

The api writes them (funswarm/sessions.py). What is heard on a subject is a hint only: the value is the stream leader's.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from nats.aio.msg import Msg

from services.bus.policies import is_gone, values_of
from services.bus.streams import bucket_stream

if TYPE_CHECKING:
    from services.bus.connection import Bus


class SessionBucket:
    """All raise Unavailable while NATS is away, PermanentError where it refuses."""

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus
        self._subjects = bus.subjects
        self._stream = bucket_stream(bus.subjects.sessions_bucket)

    async def all(self) -> list[bytes]:
        """All sessions; some may be over."""
        return [stored.body for stored in await values_of(self._bus, self._stream, self._subjects.session(None))]

    async def newest(self, service: str) -> bytes | None:
        """That of a service, by its name; None: there is none (any more)."""
        stored = await self._bus.newest(self._stream, self._subjects.session(service))
        return None if stored is None or is_gone(stored) else stored.body

    async def listen(self, heard: Callable[[str], None]) -> Callable[[], Awaitable[None]]:
        """Call `heard` with the subject's last token when a session is written; what is returned ends that."""

        async def arrived(message: Msg) -> None:
            heard(message.subject.rpartition(".")[2])

        subscription = await self._bus.link.subscribe(self._subjects.session(None), arrived)
        return lambda: self._bus.link.unsubscribe(subscription)
