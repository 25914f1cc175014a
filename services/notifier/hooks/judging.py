"""What follows from a receiver's answer: done, again and when, a dead letter, or no more for this hook. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from funswarm.hooks import Retry
from funswarm.messages import Code

GONE: Final = 410
RETRY_AFTER_MAX_S: Final = 3600.0
# The request itself is wrong, and will be the next time. All else may pass: a proxy answers 404 while the receiver
# behind it restarts, and credentials (401, 403) are renewed.
NEVER: Final = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431})
_JITTER: Final = 0.25
_DOUBLINGS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` None: there was no answer. `reason`: why it is no success. `retry_after_s`: the receiver asks for it."""

    status: int | None
    reason: str | None
    seconds: float
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """`delay_s`: of `again`. `all_wait`: the receiver asked for it, so the hook's other events wait as long."""

    what: Literal["delivered", "again", "dead", "gone"]
    reason: str | None = None
    code: Code = Code.UNAVAILABLE
    delay_s: float = 0.0
    all_wait: bool = False


def judge(answer: Answer, retry: Retry, attempts: int, age_s: float, chance: float) -> Verdict:
    """`attempts`: with this one. `age_s`: of the event. `chance`: random, 0 to 1."""
    if answer.ok:
        return Verdict("delivered")
    tried = f"{answer.reason}; tried {attempts} time{'' if attempts == 1 else 's'}"
    if answer.status == GONE:
        return Verdict("gone", answer.reason)
    if answer.status in NEVER:
        return Verdict("dead", tried, Code.REFUSED_BY_RECEIVER)
    if age_s > retry.give_up_after_s:
        return Verdict("dead", f"{tried}: given up, after {retry.give_up_after_s:g} s")
    delay_s = backoff_s(retry, attempts, chance)
    if answer.retry_after_s is None:
        return Verdict("again", answer.reason, delay_s=delay_s)
    asked_s = min(answer.retry_after_s, RETRY_AFTER_MAX_S)
    return Verdict("again", answer.reason, delay_s=max(asked_s, delay_s), all_wait=True)


def backoff_s(retry: Retry, attempts: int, chance: float) -> float:
    """How long to wait after so many attempts: twice as long each time up to `max_s`, up to a quarter more or less."""
    whole_s = min(max(retry.max_s, retry.first_s), retry.first_s * 2 ** min(attempts - 1, _DOUBLINGS_MAX))
    return float(whole_s * (1 + _JITTER * (2 * chance - 1)))
