"""The bucket of the policies: what they remember of each service, and holds. I/O by the bus.

A memory is written only over the one that was read: a copy that was followed by another one, and wakes up, is refused.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nats.aio.msg import Msg

from funswarm.errors import PermanentError
from funswarm.messages import MSG_ID_HEADER
from services.bus.jetstream import WRONG_LAST_SEQUENCE, ApiError, last_sequence, publish
from services.bus.reading import Stored, read_stream
from services.bus.state import OPERATION
from services.bus.streams import bucket_stream

if TYPE_CHECKING:
    from services.bus.connection import Bus

FORGOTTEN_TTL: Final = "1m"
ROUNDS_MAX: Final = 50  # of reading what was written meanwhile
_LAST_ON: Final = "Nats-Expected-Last-Subject-Sequence"


@dataclass(frozen=True, slots=True)
class Kept:
    """A memory; `revision`: its sequence, to be written over. `body` empty: it was forgotten."""

    body: bytes
    revision: int


class PolicyBucket:
    """All raise Unavailable while NATS is away, PermanentError where it refuses."""

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus
        self._subjects = bus.subjects
        self._stream = bucket_stream(bus.subjects.policies_bucket)

    async def memories(self) -> list[Kept]:
        """All memories."""
        found = await values_of(self._bus, self._stream, f"$KV.{self._subjects.policies_bucket}.memory.*")
        return [Kept(stored.body, stored.sequence) for stored in found]

    async def memory(self, service: str) -> Kept:
        """What is kept of one service, by its name; revision 0: nothing was."""
        stored = await self._bus.newest(self._stream, self._subjects.memory(service))
        if stored is None:
            return Kept(b"", 0)
        return Kept(b"" if is_gone(stored) else stored.body, stored.sequence)

    async def keep(self, service: str, body: bytes, revision: int) -> int | None:
        """Write a memory over that of `revision` (0: there was none); its own revision. None: another one is there.

        Empty: forget it.
        """
        subject = self._subjects.memory(service)
        mark = hashlib.sha256(b"%d %s %s" % (revision, subject.encode(), body)).hexdigest()[:32]
        headers = {MSG_ID_HEADER: mark, _LAST_ON: str(revision)}
        if not body:
            headers |= {OPERATION: "DEL", "Nats-TTL": FORGOTTEN_TTL}
        try:
            return await publish(self._bus.link, subject, body, headers, self._stream)
        except PermanentError as error:
            if isinstance(error.__cause__, ApiError) and error.__cause__.err_code == WRONG_LAST_SEQUENCE:
                return None
            raise

    async def holds(self) -> list[bytes]:
        """The bodies of all holds."""
        return [stored.body for stored in await values_of(self._bus, self._stream, self._subjects.all_holds)]

    async def holds_on(self, service: str, policy: str) -> list[bytes]:
        """The bodies of the holds that concern a policy of a service, as the stream's leader has them."""
        subjects = [self._subjects.hold(service, one) for one in (None, policy)]
        found = [await self._bus.newest(self._stream, subject) for subject in subjects]
        return [stored.body for stored in found if stored is not None and not is_gone(stored)]

    async def listen(self, heard: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """Call `heard` when somebody writes a hold, as a hint only; what is returned ends that."""

        async def arrived(_: Msg) -> None:
            heard()

        subscription = await self._bus.link.subscribe(self._subjects.all_holds, arrived)
        return lambda: self._bus.link.unsubscribe(subscription)


async def values_of(bus: "Bus", stream: str, wildcard: str) -> list[Stored]:
    """Each key's value in a bucket's stream. One that is written anew while they are read is found at its new place."""
    found: dict[str, Stored] = {}
    start, last = 1, await last_sequence(bus.link, stream)
    for _ in range(ROUNDS_MAX):
        async for stored in read_stream(bus, stream, start, wildcard):
            found[stored.subject] = stored
        now = await last_sequence(bus.link, stream)
        if now == last:
            break
        start, last = last + 1, now
    return [stored for stored in found.values() if not is_gone(stored)]


def is_gone(stored: Stored) -> bool:
    """Whether the value says that there is none any more."""
    return OPERATION in stored.headers or "Nats-Marker-Reason" in stored.headers or not stored.body
