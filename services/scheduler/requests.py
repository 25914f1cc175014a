"""`request.<verb>`: submit a command and wait for its result, in one request to the active scheduler. I/O by the bus.

The command goes the same way as every other, into COMMANDS first: accepted means durable here too.
"""

import asyncio
from contextlib import suppress
from typing import Final

from funswarm.commands import VERBS, Command
from funswarm.errors import InvalidRequest, Refused, Unavailable
from funswarm.messages import Code, Result
from funswarm.outcome import id_taken
from services.bus.connection import Bus
from services.bus.serving import Handler
from services.scheduler.reading import Malformed, read_body
from services.scheduler.store import NatsStore

WAIT_MAX_S: Final = 60.0
LOOK_INTERVAL_S: Final = 1.0


class Requests:
    """Handlers for `bus.serve`."""

    def __init__(self, bus: Bus, store: NatsStore) -> None:
        self._bus = bus
        self._store = store

    def endpoints(self) -> dict[str, Handler]:
        """Subject -> handler."""
        return {self._bus.subjects.request(verb): self._handler(verb) for verb in VERBS}

    def _handler(self, verb: str) -> Handler:
        async def handle(body: bytes) -> bytes:
            command = read_body(verb, body)
            if isinstance(command, Malformed):
                raise InvalidRequest(command.reason)
            if command.verb != verb:
                raise InvalidRequest(f"the body is a {command.verb}: ask {self._bus.subjects.request(command.verb)}")
            return (await self._submit(command)).model_dump_json().encode()

        return handle

    async def _submit(self, command: Command) -> Result:
        """The command's result.

        Raises:
            Refused: another command had this id.
            Unavailable: NATS does not keep it, or it has not ended within `WAIT_MAX_S`.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT_MAX_S
        with self._store.waiting(command.id) as stored:
            await self._store.submit(command, None)
            while loop.time() < end and not self._store.closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_INTERVAL_S):
                        await stored.wait()
                result = await self._store.find(command.id)
                if result is not None:
                    return _same(command, result)
                if (result := await self._store.turned_away(command)) is not None:
                    raise Refused(result.reason or "", Code.CONFLICT)
        why = "this scheduler stops" if self._store.closed else f"not ended within {WAIT_MAX_S:g} s"
        raise Unavailable(f"accepted, but {why}: the result will be on {self._bus.subjects.result(command.id)}")


def _same(command: Command, result: Result) -> Result:
    if result.digest not in (None, command.digest):
        raise Refused(id_taken(command.id, result), Code.CONFLICT)
    return result
