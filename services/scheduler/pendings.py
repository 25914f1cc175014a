"""From which place in RESULTS on results may be pending, so that a new active copy finds each of them. I/O: the bus.

store -> each result, before and after it is stored -> every so many of them the place is noted in RESULTS itself, and
the next active copy begins to read there. The note is fenced: who takes over writes it anew, and an earlier copy, which
does not know of later results, cannot move it any more. An old note costs the next copy some reading, nothing else.
"""

import secrets
from typing import TYPE_CHECKING, Final

import structlog

from funswarm.errors import FunswarmError
from funswarm.messages import MSG_ID_HEADER, Result
from funswarm.outcome import is_pending

if TYPE_CHECKING:
    from services.bus.connection import Bus

NOTE_EVERY: Final = 1000  # results

log = structlog.get_logger(__name__)


class Pendings:
    """Where the results are that wait for their services to settle, as far as this active copy knows.

    `start`: from where on to read those of earlier copies.
    """

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus
        self._stream = bus.subjects.results_stream
        self._subject = bus.subjects.intent("@pending")  # no command's id has an @
        self._copy = secrets.token_hex(8)
        self._places: dict[str, int] = {}  # by the command's id: where its first result is, or an earlier place
        self._end = 1  # after all results that are known to be stored
        self._since_noted = 0
        self._noted_at = 0  # the note's own place
        self._movable = False
        self.start = 1

    async def take_over(self) -> None:
        """Make the note this copy's; raises what the bus does."""
        found = await self._bus.newest(self._stream, self._subject)
        self.start = 1 if found is None else int(found.body.split()[0])
        message = self._message(self.start)
        self._noted_at = await self._bus.publish(*message, self._stream)
        self._end = self._noted_at + 1

    def expect(self, result: Result) -> None:
        """This result is about to be stored: at the end, as far as that is known, or later."""
        if is_pending(result):
            self._places.setdefault(result.command_id, self._end)

    def stored(self, result: Result, place: int) -> None:
        """It is stored there; of a second result the first is gone."""
        if is_pending(result):
            self._places[result.command_id] = min(place, self._places.get(result.command_id, place))
        else:
            self._places.pop(result.command_id, None)
        self._end = max(self._end, place + 1)
        self._since_noted += 1

    def complete(self) -> None:
        """Those of earlier copies are known, too: from here on the note may move."""
        self._movable = True

    async def note(self) -> None:
        """Move the note, where it is time to; that it fails does no harm."""
        if not self._movable or self._since_noted < NOTE_EVERY:
            return
        self._movable, self._since_noted = False, 0
        message = self._message(min(self._places.values(), default=self._end))
        try:
            await self._bus.publish_while(message, self._stream, self._subject, self._noted_at)
            found = await self._bus.newest(self._stream, self._subject)
        except FunswarmError as error:
            log.info("not noted from where on results are pending", reason=str(error))
            self._movable = True
            return
        if found is not None and found.body.endswith(self._copy.encode()):  # else another copy has taken over
            self._noted_at, self._movable = found.sequence, True

    def _message(self, place: int) -> tuple[str, bytes, dict[str, str]]:
        headers = {MSG_ID_HEADER: f"pending-{secrets.token_hex(8)}"}
        return self._subject, f"{place} {self._copy}".encode(), headers
