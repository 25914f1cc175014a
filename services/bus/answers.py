"""Who waits for which answers on the one inbox of a connection. No I/O."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from nats.aio.msg import Msg

from funswarm.answering import wait_for_answer
from funswarm.errors import FunswarmError, PermanentError, Unavailable

STATUS: Final = "Status"  # the header of an answer that is none
NO_RESPONDERS: Final = "503"
NOT_FOUND: Final = "404"
NOT_STORED: Final = "are its files full or read-only? Its log says so; it stores again after a restart with room"

Feed = Callable[[Msg], bool]


class NobodyAnswers(Unavailable):
    """No subscriber, or a stream that does not exist or has no leader."""


class NoAnswer(Unavailable):
    """Not within the time."""


class Unfit(PermanentError):
    """NATS takes this message at no time: it is too large, or has a subject or header that is not allowed."""


def status(message: Msg) -> str | None:
    """NATS's own status of an answer that is none, such as `503`."""
    return (message.headers or {}).get(STATUS)


@dataclass(slots=True)
class _Waiting:
    """`feed` takes each answer, True ends the wait; `done` has an error when no more answer can come."""

    subject: str
    feed: Feed
    done: asyncio.Future[None]


class Inbox:
    """The answers to all questions that are open."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._asked = 0
        self._waiting: dict[str, _Waiting] = {}

    def new_subject(self) -> str:
        """A subject below the prefix that was never used."""
        self._asked += 1
        return f"{self.prefix}.{self._asked}"

    def expect(self, subject: str, feed: Feed) -> "Answers":
        """Wait for answers from whoever listens to `subject`: a context."""
        reply = self.new_subject()
        waiting = _Waiting(subject, feed, asyncio.get_running_loop().create_future())
        self._waiting[reply] = waiting
        return Answers(self, reply, waiting)

    def arrived(self, message: Msg) -> None:
        """Hand an answer to who waits for it; late ones are dropped."""
        waiting = self._waiting.get(message.subject)
        if waiting is not None and not waiting.done.done() and waiting.feed(message):
            waiting.done.set_result(None)

    def forget(self, reply: str) -> None:
        """Nobody waits there any more."""
        done = self._waiting.pop(reply).done
        if not done.cancel() and not done.cancelled():
            done.exception()  # else asyncio complains that nobody looked at it

    def fail_all(self, reason: str) -> None:
        """No answer can come to anyone."""
        for waiting in self._waiting.values():
            if not waiting.done.done():
                waiting.done.set_exception(Unavailable(reason))

    def fail(self, subject: str, error: Callable[[str], FunswarmError]) -> None:
        """No answer can come from `subject`, given in lower case; `error` makes the reason from its right spelling."""
        for waiting in self._waiting.values():
            if waiting.subject.lower() == subject and not waiting.done.done():
                waiting.done.set_exception(error(waiting.subject))


class Answers:
    """The wait for answers: `reply` is where they go."""

    def __init__(self, inbox: Inbox, reply: str, waiting: _Waiting) -> None:
        self.reply = reply
        self._inbox = inbox
        self._waiting = waiting

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._inbox.forget(self.reply)

    def end(self, _: object = None) -> None:
        """As if the feed had had enough."""
        if not self._waiting.done.done():
            self._waiting.done.set_result(None)

    async def wait(self, timeout_s: float) -> None:
        """Until the feed has had enough.

        Raises:
            NoAnswer: not within that time.
            Unavailable: the connection gets lost.
            PermanentError: NATS refuses the question.
        """
        try:
            await wait_for_answer(self._waiting.done, timeout_s)
        except TimeoutError:
            raise NoAnswer(f"no answer from {self._waiting.subject} within {timeout_s:g} s") from None
