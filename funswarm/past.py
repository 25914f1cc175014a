"""What was asked of the Swarm and what could not be done: history and dead letters, for Client. I/O by `Link`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from funswarm.croning import Croned
from funswarm.dead import KeptLetter, LetterPage, drop_letter, read_letter, read_letters, replay_letter
from funswarm.history import Wanted, find_waiting, read_commands
from funswarm.hooks import Delivered
from funswarm.how import How
from funswarm.link import Link
from funswarm.messages import Result
from funswarm.outcome import Accepted
from funswarm.records import CommandPage, CommandRecord
from funswarm.since import Since, starting_point
from funswarm.subjects import Subjects

DEFAULT: Final = How()


class Past(Croned):
    """The questions about the past of a Client, and what to do with dead letters; they raise what it says.

    `name`: who asks.
    """

    def __init__(self, link: Link, subjects: Subjects, name: str) -> None:
        super().__init__(link, subjects)
        self._name = name

    async def commands(
        self,
        *,
        target: str | None = None,
        verb: str | None = None,
        status: str | None = None,
        requested_by: str | None = None,
        since: Since = None,
        limit: int = 100,
        after: str | None = None,
        shown: Callable[[CommandRecord], bool] | None = None,
    ) -> CommandPage:
        """What was asked of the Swarm, newest first: what waits (`pending`), then what ended. `after`: a page's `next`.

        `target` as it was asked for. `status`: pending, succeeded, refused, failed; denied: what the HTTP api did not
        let in. `since`: a time, or how long ago (`"10m"`). `shown`: only these of them.
        """
        wanted = Wanted.of(target, verb, status, requested_by, starting_point(since, datetime.now(UTC)))
        return await read_commands(self._link, self._subjects, replace(wanted, shown=shown), limit, after)

    async def waiting_command(self, command_id: str) -> CommandRecord | None:
        """A command without a result that is kept, and will be done; None: there is none of that id."""
        return await find_waiting(self._link, self._subjects, command_id)

    # Dead letters.

    async def dead_letters(self, *, limit: int = 100, after: int | None = None) -> LetterPage:
        """What could not be done, newest first, with the originals. `after`: a page's `next`."""
        return await read_letters(self._link, self._subjects, limit, after)

    async def dead_letter(self, sequence: int) -> KeptLetter:
        """One of them.

        Raises:
            UnknownDeadLetter: it is not there (any more).
        """
        return await read_letter(self._link, self._subjects, sequence)

    async def replay(self, sequence: int, *, how: How = DEFAULT) -> Result | Accepted | Delivered:
        """Sends a dead letter's command again, under a new id, and drops the letter once NATS keeps the command.

        The id is made of the letter, so that repeating this is harmless. The deadline is that of `how`. An event that
        a webhook was not told of is sent to that webhook once more, and the letter is dropped if it is taken.

        Raises:
            UnknownDeadLetter: it is not there (any more).
            InvalidRequest: it holds no command.
        """
        by = how.requested_by or self._name
        return await replay_letter(self._link, self._subjects, sequence, replace(how, requested_by=by))

    async def drop(self, sequence: int, *, requested_by: str | None = None) -> None:
        """Takes a dead letter away for good. `requested_by`: as of `How`; that it was dropped is in `commands`.

        Raises:
            UnknownDeadLetter: it is not there (any more).
        """
        await drop_letter(self._link, self._subjects, sequence, requested_by or self._name)
