"""Which metrics are read when, and which of them in one go. Pure: the time is told, in seconds of a monotonic clock.

Lags of consumers of one stream are read together, as NATS lists them by hundreds; one that is not found like that is
read alone for a while, which tells why.
"""

from collections.abc import Iterable
from typing import Final

from services.scheduler.policies.autoscale.readers import Lag, Question

TOGETHER_MIN: Final = 4
ALONE_S: Final = 60.0


class Agenda:
    """The questions that are wanted, each at its own pace."""

    def __init__(self) -> None:
        self._due: dict[Question, float] = {}
        self._alone: dict[Question, float] = {}  # until when

    def want(self, question: Question) -> None:
        """At once, where it was not wanted before."""
        self._due.setdefault(question, 0.0)

    def drop(self, question: Question) -> None:
        """It is not wanted any more."""
        self._due.pop(question, None)
        self._alone.pop(question, None)

    def alone(self, questions: Iterable[Question], now: float) -> None:
        """These could not be read together: each by itself then, and at once."""
        for question in questions:
            if question in self._due:
                self._due[question], self._alone[question] = now, now + ALONE_S

    def due(self, kind: type[Question], now: float) -> list[tuple[Question, ...]]:
        """Those of a kind whose time has come: what is to be read in one go is one of these.

        With a lag all others of its stream are due, so that there is one going.
        """
        ripe = [question for question, at in self._due.items() if at <= now and isinstance(question, kind)]
        if not ripe:
            return []
        self._alone = {question: until for question, until in self._alone.items() if until > now}
        groups = self._together({one.stream for one in ripe if isinstance(one, Lag) and one not in self._alone})
        grouped = {question for group in groups for question in group}
        groups += [(question,) for question in ripe if question not in grouped]
        for group in groups:
            self._due.update(dict.fromkeys(group, now + kind.pace_s))
        return groups

    def _together(self, streams: set[str]) -> list[tuple[Question, ...]]:
        lags: dict[str, list[Lag]] = {stream: [] for stream in streams}
        for question in self._due if streams else ():
            if isinstance(question, Lag) and question.stream in streams and question not in self._alone:
                lags[question.stream].append(question)
        return [tuple(group) for group in lags.values() if len(group) >= TOGETHER_MIN]
