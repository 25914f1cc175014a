"""Dead letters: what could not be done, to be looked at, sent again, or dropped. I/O by `Link`.

A letter of a webhook, an event, is sent again by the active notifier, to that hook only, and dropped if it is taken.

A command that is sent again gets a new id, made of the letter: to send a letter twice is one command. Under its old id
it has a result, and would not be done. The letter is dropped when NATS keeps the new command.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from funswarm.backwards import Found, read_back
from funswarm.commands import COMMANDS, Command
from funswarm.errors import InvalidRequest, UnknownDeadLetter
from funswarm.explain import explain
from funswarm.hooking import Hooks
from funswarm.hooks import Delivered
from funswarm.how import How
from funswarm.jetstream import delete_message, publish
from funswarm.link import Link
from funswarm.messages import MSG_ID_HEADER, Code, DeadLetter, Result
from funswarm.outcome import Accepted
from funswarm.records import body_of, dropped, subject_of
from funswarm.state import REDACTED, Published
from funswarm.subjects import Subjects, untoken
from funswarm.submitting import submit

LIMIT_MAX: Final = 1000
MISSING_MAX: Final = 10
WEBHOOK: Final = "webhook"  # in the place of a verb: an event that a webhook's receiver did not take


class KeptLetter(Published):
    """A dead letter in its place in the stream. `command_id`: of the original; None where it had none.

    `verb`, `target`: the command's; of an event that was not delivered `webhook`, and the hook's name.
    """

    sequence: int
    verb: str
    target: str
    command_id: str | None
    letter: DeadLetter


class LetterPage(Published):
    """The newest first. `next`: ask again with `after` set to it; None at the end."""

    items: tuple[KeptLetter, ...]
    next: int | None = None


async def read_letters(link: Link, subjects: Subjects, limit: int, after: int | None) -> LetterPage:
    """One page; `after`: the `next` of the page before.

    Raises:
        InvalidRequest: `limit` cannot be meant.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidRequest(f"limit {limit}: 1 to {LIMIT_MAX}")
    items: list[KeptLetter] = []
    async with aclosing(read_back(link, subjects.dead_stream, subjects.all_dead, after)) as letters:
        async for kept in letters:
            if len(items) == limit:
                return LetterPage(items=tuple(items), next=kept.sequence + 1)
            items.append(_letter(subjects, kept))
    return LetterPage(items=tuple(items))


async def read_letter(link: Link, subjects: Subjects, sequence: int) -> KeptLetter:
    """
    Raises:
        UnknownDeadLetter: it is not there (any more).
    """
    async with aclosing(read_back(link, subjects.dead_stream, subjects.all_dead, sequence + 1)) as letters:
        async for kept in letters:
            if kept.sequence == sequence:
                return _letter(subjects, kept)
            break
    raise _unknown(sequence)


async def replay_letter(link: Link, subjects: Subjects, sequence: int, how: How) -> Result | Accepted | Delivered:
    """Send its command again; `how.id`: its new id, None: one made of the letter. Its deadline is not kept.

    Of a webhook's letter: its event.

    Raises:
        UnknownDeadLetter: it is not there (any more).
        InvalidRequest: it holds no command, or its secrets were taken out.
    """
    kept = await read_letter(link, subjects, sequence)
    if kept.verb == WEBHOOK:
        delivered = await Hooks(link, subjects).replay(sequence)
        if delivered.ok:
            await delete_message(link, subjects.dead_stream, sequence)
        return delivered
    command = _again(kept, how)
    outcome = await submit(link, subjects, command, replace(how, wait_s=0))
    await delete_message(link, subjects.dead_stream, sequence)
    if isinstance(outcome, Accepted) and how.wait_s:
        return await submit(link, subjects, command, how)
    return outcome


async def drop_letter(link: Link, subjects: Subjects, sequence: int, requested_by: str) -> None:
    """Take it away, and have that on record before.

    Raises:
        UnknownDeadLetter: it is not there (any more).
    """
    kept = await read_letter(link, subjects, sequence)
    record = dropped(kept.sequence, f"{kept.verb} {kept.target}", requested_by, datetime.now(UTC))
    headers = {MSG_ID_HEADER: f"drop-{sequence}-{kept.letter.at.timestamp():f}"}
    await publish(link, subjects.audit_stream, subject_of(subjects, record), body_of(record), headers)
    if not await delete_message(link, subjects.dead_stream, sequence):
        raise _unknown(sequence)


def _again(kept: KeptLetter, how: How) -> Command:
    if kept.letter.redacted:
        raise InvalidRequest(
            f"dead letter {kept.sequence} was kept without what may be secret: {_missing(kept.letter)}. Look at the "
            f"rest (funswarm dead show {kept.sequence}), send {kept.verb} {kept.target} anew with these, and drop it"
        )
    try:
        command = COMMANDS.validate_json(_original(kept.letter))
    except ValidationError as error:
        raise InvalidRequest(f"dead letter {kept.sequence} holds no command: {explain(error)}; drop it") from error
    made = hashlib.sha256(f"{kept.sequence} {kept.letter.at.isoformat()} {command.id}".encode()).hexdigest()[:32]
    return command.model_copy(update={"id": how.id or made, "deadline": how.deadline, "requested_by": how.requested_by})


def _missing(letter: DeadLetter) -> str:
    """The places of what was taken out, as far as they are few."""
    try:
        places = list(_redacted(json.loads(_original(letter)), ""))
    except (ValueError, RecursionError):
        return "texts of what is no JSON"
    more = f" and {len(places) - MISSING_MAX} more" if len(places) > MISSING_MAX else ""
    return ", ".join(places[:MISSING_MAX]) + more


def _redacted(value: Any, place: str) -> Iterator[str]:
    if value == REDACTED:
        yield place
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _redacted(below, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _redacted(below, f"{place}.{number}")


def _original(letter: DeadLetter) -> bytes:
    return base64.b64decode(letter.body) if letter.encoding == "base64" else letter.body.encode()


def _letter(subjects: Subjects, kept: Found) -> KeptLetter:
    try:
        letter = DeadLetter.model_validate_json(kept.body)
    except ValidationError:
        reason, body = "this letter is not understood: of another version?", base64.b64encode(kept.body).decode()
        letter = DeadLetter(
            reason=reason, code=Code.INTERNAL, subject=kept.subject, body=body, encoding="base64", at=kept.time
        )
    verb, _, target = kept.subject.removeprefix(subjects.all_dead.removesuffix(">")).partition(".")
    command_id = None if verb == WEBHOOK else letter.headers.get(MSG_ID_HEADER)
    return KeptLetter(sequence=kept.sequence, verb=verb, target=untoken(target), command_id=command_id, letter=letter)


def _unknown(sequence: int) -> UnknownDeadLetter:
    return UnknownDeadLetter(f"there is no dead letter {sequence}: it was dropped, sent again, or never there")
