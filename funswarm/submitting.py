"""Handing over a command and waiting for its result. I/O by `Link`; the flow: COMMANDS -> scheduler -> RESULTS.

The result is listened for before the command is published, and looked up in RESULTS whenever listening may have missed
it (a lost connection), so that waiting ends with the result or with the bound. An id that NATS has seen is not done
again: its first result is the answer, if it was the same command (`digest`).
"""

import asyncio
import contextlib
from typing import Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from funswarm.commands import COMMANDS, Command
from funswarm.errors import InvalidRequest, Refused, Unavailable
from funswarm.how import How
from funswarm.jetstream import Ack, last_message, message, publish
from funswarm.link import Link
from funswarm.messages import MSG_ID_HEADER, TRACEPARENT_HEADER, Code, Result
from funswarm.outcome import Accepted, id_taken, is_pending
from funswarm.subjects import Subjects
from funswarm.tracing import traceparent_or_new

LOOK_FIRST_S: Final = 0.25
LOOK_INTERVAL_MAX_S: Final = 2.0
PUBLISH_TRIES: Final = 3


async def submit(
    link: Link, subjects: Subjects, command: Command, how: How, *, new_id: bool = False
) -> Result | Accepted:
    """Makes the command durable; waits up to `how.wait_s` for its result, for the second one where `how` says so.

    `new_id`: the id was made for this command, so that no other has had it: what is heard is not compared.

    Raises:
        Refused: another command has had this id.
        Unavailable: NATS did not confirm that it keeps the command. It may: ask again with the same id.
    """
    now_s = asyncio.get_running_loop().time
    end_s, interval_s = now_s() + how.wait_s, LOOK_FIRST_S
    outcome: Result | Accepted = Accepted(command.id)
    inbox = await link.subscribe(subjects.result(command.id))
    try:
        ack = await _publish(link, subjects, command, traceparent_or_new(how.traceparent))
        if ack.duplicate:
            await _refuse_another(link, subjects, command, ack)
            outcome = await _stored_result(link, subjects, command) or outcome
        while not _is_final(outcome, how):
            left_s = max(0.0, end_s - now_s())
            heard = await inbox.next(min(interval_s, left_s))
            if heard is not None:
                result = Result.model_validate_json(heard.data)
                outcome = result if new_id else _same(command, result)
            elif left_s <= interval_s:
                break
            else:  # it can have been missed
                outcome = await _looked_up(link, subjects, command, end_s) or outcome
                interval_s = min(2 * interval_s, LOOK_INTERVAL_MAX_S)
        return outcome
    finally:
        await inbox.close()


async def read_result(link: Link, subjects: Subjects, command_id: str) -> Result | None:
    """The command's result; None: not yet, or no such command (any more)."""
    body = await last_message(link, subjects.results_stream, subjects.result(command_id))
    return None if body is None else Result.model_validate_json(body)


async def _publish(link: Link, subjects: Subjects, command: Command, traceparent: str) -> Ack:
    """Asks again on a lost answer: the Nats-Msg-Id makes that harmless."""
    subject, body = subjects.command(command.verb, command.target), _body(command)
    headers = {MSG_ID_HEADER: command.id, TRACEPARENT_HEADER: traceparent}
    tries = 0
    while True:
        tries, epoch = tries + 1, link.epoch
        try:
            return await publish(link, subjects.commands_stream, subject, body, headers)
        except Unavailable as error:
            if epoch == link.epoch or tries == PUBLISH_TRIES:
                way_out = f"ask again with the same id, {command.id!r}: it is done once, also where NATS has it already"
                raise Unavailable(f"{error}; {way_out}", error.delay_s) from error


def _body(command: Command) -> bytes:
    try:
        return command.model_dump_json().encode()
    except PydanticSerializationError as error:  # half a surrogate pair, as JSON's \ud800
        raise InvalidRequest(f"{command.verb} {command.target}: a text in it is no Unicode: {error}") from error


async def _refuse_another(link: Link, subjects: Subjects, command: Command, ack: Ack) -> None:
    """While the first command of this id is not done, it is still in COMMANDS: compare."""
    body = await message(link, subjects.commands_stream, ack.sequence)
    try:
        first = None if body is None else COMMANDS.validate_json(body)
    except ValidationError:
        first = None
    if first is not None and first.digest != command.digest:
        raise Refused(id_taken(command.id, first), Code.CONFLICT)


async def _looked_up(link: Link, subjects: Subjects, command: Command, end_s: float) -> Result | None:
    """What RESULTS has of the command; None: nothing, or NATS does not say until `end_s`. The command is safe with it:
    one goes on waiting.
    """
    with contextlib.suppress(Unavailable, TimeoutError):
        async with asyncio.timeout_at(end_s):
            result = await _stored_result(link, subjects, command)
            if result is None:
                await _raise_turned_away(link, subjects, command)
            return result
    return None


async def _stored_result(link: Link, subjects: Subjects, command: Command) -> Result | None:
    result = await read_result(link, subjects, command.id)
    return None if result is None else _same(command, result)


async def _raise_turned_away(link: Link, subjects: Subjects, command: Command) -> None:
    """Another command of the same id is not done yet, and NATS has taken this one: later than it knows ids."""
    place = subjects.turned_away(command.id, command.digest)
    if (body := await last_message(link, subjects.results_stream, place)) is not None:
        raise Refused(Result.model_validate_json(body).reason or "", Code.CONFLICT)


def _is_final(outcome: Result | Accepted, how: How) -> bool:
    """Whether there is nothing more to wait for."""
    return isinstance(outcome, Result) and (how.wait_for == "applied" or not is_pending(outcome))


def _same(command: Command, result: Result) -> Result:
    if result.digest is not None and result.digest != command.digest:
        raise Refused(id_taken(command.id, result), Code.CONFLICT)
    return result
